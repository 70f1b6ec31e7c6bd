// checks.js - soft warnings about a report's text: a side that changed between findings and impression, an organ that the
// patient's sex does not have, a blank of a template that was left. They never hold anything up: words alone cannot know.
const SIDES = { left: /左|\bleft\b/i, right: /右|\bright\b/i };
const BOTH = /双侧|双|两侧|两|左右|bilateral|both/i;
const NONE = /未见|未发现|没有|无明显|无|阴性|\bno\b|without|absent/i;
const LESIONS = ["结节", "占位", "肿块", "骨折", "积液", "出血", "血肿", "梗死", "梗塞", "囊肿", "结石", "钙化", "气胸", "炎症", "渗出", "脱位", "斑片", "肿物", "nodule",
  "mass", "fracture", "effusion", "haemorrhage", "hemorrhage", "haematoma", "hematoma", "infarct", "cyst", "stone", "pneumothorax", "consolidation"];
const ORGANS = { M: /子宫|卵巢|宫颈|阴道|输卵管|附件区|uter(us|ine)|ovar(y|ian)|cervix uteri|vagina/i, F: /前列腺|睾丸|精囊|阴囊|附睾|prostat|testi(s|cle)|scrot|seminal vesicle/i };

const clauses = (text) => text.split(/[。；;！!？?\n]|\.\s/).filter((part) => part.trim());

function sidesOf(text) {
  if (BOTH.test(text)) return new Set(["left", "right"]);
  return new Set(Object.keys(SIDES).filter((side) => SIDES[side].test(text)));
}

// The sides a lesion is said to be on; what is denied does not count.
function sidesOfLesion(text, lesion) {
  const found = new Set();
  for (const clause of clauses(text))
    for (const part of clause.split(/[，,]/).filter((p) => p.toLowerCase().includes(lesion) && !NONE.test(p)))
      for (const side of sidesOf(part).size > 0 ? sidesOf(part) : sidesOf(clause)) found.add(side);
  return found;
}

function sideTrouble(findings, impression) {
  for (const lesion of LESIONS) {
    const said = sidesOfLesion(findings, lesion);
    const concluded = sidesOfLesion(impression, lesion);
    if (said.size === 0 || concluded.size === 0) continue;
    const strange = [...concluded].find((side) => !said.has(side));
    if (strange) return { kind: "side", lesion, side: strange };
  }
  return null;
}

// The side that the examination itself names, against a report that speaks only of the other one.
function examTrouble(exam, text) {
  const asked = sidesOf(exam);
  const said = sidesOf(text);
  if (asked.size !== 1 || said.size !== 1) return null;
  const [side] = asked;
  return said.has(side) ? null : { kind: "exam_side", side };
}

// fields: exam, findings, impression; sex "M", "F" or anything else; ordered: what the clinic asked for.
export function troublesIn({ exam, findings, impression }, sex, ordered = "") {
  const all = `${findings}\n${impression}`;
  const hasBlank = /_{2,}/.test(`${exam}\n${all}`);
  const organ = ORGANS[sex]?.exec(clauses(all).join("\n"))?.[0];
  return [
    sideTrouble(findings, impression),
    examTrouble(`${ordered} ${exam}`, all),
    organ ? { kind: "sex", organ } : null,
    hasBlank ? { kind: "blank" } : null,
  ].filter(Boolean);
}
