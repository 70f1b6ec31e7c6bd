// doubts.js - whose images: "A or B?" for images that came twice for different people, what is odd about a study, and
// studies that are nobody's. No report of what is open is signed until somebody here has said so; of the others it reaches nobody.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { Aside } from "./aside.js";
import { useFinder } from "./found.js";
import { Dialog, Field, Mark, Work, Wrong } from "./parts.js";
import { PeopleOptions, personFull, plainDay, readState, sexWord } from "./people.js";
import { post } from "./state.js";
import { fullTime, knows, say } from "./words.js";

// Where nobody is registered, a study is nobody's to be found.
const nobodys = (now) => (now.registrations?.length ? now.unmatched || [] : []);
export const openDoubts = (now) => new Set([...(now.doubts || []).filter((d) => d.is_open), ...nobodys(now)].map((d) => d.study)).size + (now.corrections || []).filter((c) => !c.answer).length;

const clean = (name) => (name || "").replace(/=.*/, "").replace(/\^+/g, " ").trim();
const facts = (p) => [p.sex && sexWord(p.sex), plainDay(p.birth), p.patient_id].filter(Boolean).join(" · ");
const identity = (p) => [clean(p.name), facts(p)].filter(Boolean).join(" · ") || say("nobody_named");
const word = (w) => (knows(`doubt_${w}`) ? say(`doubt_${w}`) : w);

// What the two say of their exam; of one person only this differs.
const EXAM = ["accession", "study_date", "study_time", "study_number", "description", "study"];
const isOne = (c) => ["patient_id", "name", "sex", "birth"].every((k) => c.first[k] === c.second[k]);
const shown = (key, value) => (key === "study_date" ? plainDay(value) : key === "study_time" ? value.replace(/^(\d\d)(\d\d)(\d\d)?.*/, (all, h, m, s) => [h, m, s].filter(Boolean).join(":")) : value) || say("exam_none");
function Exam({ c, isSecond, registrations }) {
  const side = isSecond ? c.second : c.first;
  const other = isSecond ? c.first : c.second;
  const differs = EXAM.filter((k) => (side[k] || "") !== (other[k] || ""));
  const named = registrations.find((r) => side.accession === r.registration || side.patient_id === r.registration);
  return html`${differs.map((k) => html`<span class="exam" data-differs=${k}>${say(`exam_${k}`)} <b>${shown(k, side[k] || "")}</b></span>`)}
    ${named && html`<span class="exam">${say("exam_registered", personFull(named))}</span>`}`;
}

// What of the two: A came first, or so it was where the desk does not know when.
const came = (c, isSecond) => {
  const at = (isSecond ? c.second : c.first).came_at_us;
  return at > 0 && html`<span class="quiet">${say(isSecond ? "came_second" : "came_first", fullTime(at))}</span>`;
};
const answered = (c) => say("a_or_b_answered", { which: c.answer === "second" ? "B" : "A", by: c.answered_by });

// Once more, with the person in full: what is answered here decides whose exam it is.
function Answer({ c, which, registrations, onClose }) {
  const [wrong, setWrong] = useState("");
  const [registration, setRegistration] = useState("");
  const [seen] = useState(c.answer || ""); // somebody else may answer while this is open
  const isSecond = which === "second";
  const [people, finder] = useFinder(registrations, `b-${c.n}`);
  const to = people.find((r) => r.registration === registration);
  const isMeanwhile = (c.answer || "") !== seen;
  const send = async () => {
    await post(`corrections/${c.n}/answer`, { answer: which, seen, ...(isSecond ? { registration: to ? registration : "" } : {}) });
    onClose();
  };
  return html`<${Dialog} title=${say("it_is", isSecond ? "B" : "A")} onClose=${onClose}>
    <p><b>${identity(isSecond ? c.second : c.first)}</b> ${came(c, isSecond)}</p>
    <p><${Exam} c=${c} isSecond=${isSecond} registrations=${registrations} /></p>
    <p class="quiet">${say(`it_is_${isSecond ? "b" : "a"}_does${isOne(c) ? "_one" : ""}`)}</p>
    ${isSecond && finder}
    ${isSecond && html`<${Field} label=${say("b_is")} name="registration" value=${to ? registration : ""} onInput=${setRegistration}
      choices=${html`<option value="">${say("b_is_nobody")}</option><${PeopleOptions} registrations=${people} />`} />`}
    <${Wrong}>${wrong}<//><${Wrong}>${isMeanwhile && c.answer && `${answered(c)}${say("a_or_b_meanwhile")}`}<//>
    <div class="quick"><${Work} class="primary" disabled=${isMeanwhile} onError=${setWrong} onClick=${send}>${say("it_is_do")}<//>
      <button type="button" onClick=${onClose}>${say("shut")}</button></div>
  <//>`;
}

function Which({ c, registrations }) {
  const [asked, setAsked] = useState("");
  const [isAgain, setAgain] = useState(false);
  const close = () => {
    setAsked("");
    setAgain(false);
  };
  return html`<li class="study ${c.answer ? "green" : "red"} which" data-correction=${c.n}>
    <div class="what"><b>${say("a_or_b")}</b><span class="quiet">${fullTime(c.asked_at_us)}</span></div>
    <div class="how">
      <span>${say(isOne(c) ? "a_or_b_one" : "a_or_b_why", c.images)}</span>
      <dl>${["A", "B"].map((name, i) => html`<dt>${name}</dt><dd>${identity(i ? c.second : c.first)} ${came(c, i === 1)} <${Exam} c=${c} isSecond=${i === 1} registrations=${registrations} /></dd>`)}</dl>
      ${isOne(c) && EXAM.every((k) => c.first[k] === c.second[k]) && html`<span>${say("exam_same")}</span>`}
      ${c.answer && html`<span>${answered(c)}</span>`}</div>
    <div class="may">${!c.answer || isAgain ? html`<button type="button" onClick=${() => setAsked("first")}>${say("it_is", "A")}</button>
      <button type="button" onClick=${() => setAsked("second")}>${say("it_is", "B")}</button>`
      : html`<button type="button" onClick=${() => setAgain(true)}>${say("it_is_again")}</button>`}</div>
    ${asked && html`<${Answer} c=${c} which=${asked} registrations=${registrations} onClose=${close} />`}
  </li>`;
}

function Confirm({ d, isNobodys, onClose }) {
  const [reason, setReason] = useState("");
  const [wrong, setWrong] = useState("");
  const send = async () => {
    await post(`studies/${d.study}/doubts`, { doubts: d.is_open ? d.doubts : [], others: d.others, reason: reason.trim() });
    onClose();
  };
  return html`<${Dialog} title=${say(d.is_open ? "doubt_confirm" : "nobodys_confirm")} onClose=${onClose}>
    <p>${identity(d)}</p><ul class="plain">${d.doubts.map((w) => html`<li>${word(w)}</li>`)}</ul>
    ${d.is_open && isNobodys && d.may_attach && html`<p>${say("nobodys_still")}</p>`}
    <${Wrong}>${wrong}<//>
    <${Field} label=${say("doubt_reason")} hint=${say(d.is_open ? "doubt_reason_hint" : "nobodys_hint")} name="reason" value=${reason} onInput=${setReason} maxlength="200" />
    <div class="quick"><${Work} class="primary" disabled=${reason.trim() === ""} onError=${setWrong} onClick=${send}>${say(d.is_open ? "doubt_confirm" : "nobodys_confirm")}<//>
      <button type="button" onClick=${onClose}>${say("shut")}</button></div><//>`;
}

const PARTS = ["several_studies", "study_per_image"];
const READABLE = ["has_study", "unknown_number", "no_number"];

// Why it is nobody's yet, and what to do: one sentence. d: study, patient_id, accession, doubts, unmatched.
export function Why({ d, registrations }) {
  const { word = "", registration = "" } = d.unmatched || {};
  const near = registrations.find((r) => r.registration === registration);
  const isPart = (word === "" || READABLE.includes(word)) && d.doubts?.some((w) => PARTS.includes(w));
  const key = isPart ? "parts" : word;
  if (!knows(`why_${key}`)) return null;
  const numbers = [...new Set([d.patient_id, d.accession])].filter(Boolean).join(say("and"));
  return html`<span class="why" data-why=${key}>${say(`why_${key}`, { who: near ? near.name : registration, number: registration, numbers })}</span>`;
}

// These are the patient's images, or one more part of the patient's exam; whoever had them before has them no more.
const give = (study, to) => post(`registrations/${to.registration}/${to.study ? "join" : "attach"}`, { study });

// Said by hand.
export function Whose({ d, registrations, onError }) {
  const [chosen, setChosen] = useState("");
  const id = `whose-${d.study}`;
  const [people, finder] = useFinder(registrations, d.study);
  const to = people.find((r) => r.registration === chosen);
  return html`${finder}<span class="attach"><label for=${id}>${say("unattached")}</label>
    <select id=${id} value=${to ? chosen : ""} onChange=${(event) => setChosen(event.target.value)}><option value="">${say("whose")}</option>
      <${PeopleOptions} registrations=${people} /></select>
    <${Work} disabled=${!to} onError=${onError} onClick=${() => give(d.study, to)}>${say(to?.study ? "join" : "attach")}<//></span>`;
}

const TOLD = ["preliminary", "signed", "amended"];

// It was the wrong one: said anew, with both in full. of: a study or a doubt.
function Move({ of, owner, registrations, onClose }) {
  const { study } = of;
  const [chosen, setChosen] = useState("");
  const [wrong, setWrong] = useState("");
  const [people, finder] = useFinder(registrations, "move");
  const to = people.find((r) => r.registration === chosen);
  const move = async () => {
    await give(study, to);
    onClose();
  };
  return html`<${Dialog} title=${say("move_title")} onClose=${onClose} data-move=${study}>
    <dl><dt>${say("move_from")}</dt><dd>${personFull(owner)}</dd><dt>${say("move_to")}</dt><dd><b>${to ? personFull(to) : "?"}</b>${to?.study && ` ${say("move_joins")}`}</dd></dl>
    ${[owner.read_state, of.read_state].some((word) => TOLD.includes(word)) && html`<p class="old" role="alert">${say("move_signed")}</p>`}
    <${Wrong}>${wrong}<//>
    ${finder}
    <${Field} label=${say("move_whose")} hint=${say("move_how")} name="move" value=${to ? chosen : ""} onInput=${setChosen}
      choices=${html`<option value="">${say("whose")}</option><${PeopleOptions} registrations=${people.filter((r) => r.registration !== owner.registration)} />`} />
    <div class="quick"><${Work} class="danger" disabled=${!to} onError=${setWrong} onClick=${move}>${say("move_do")}<//>
      <button type="button" onClick=${onClose}>${say("shut")}</button></div><//>`;
}

// Whose it is, and the way back.
export function Owner({ of, owner, registrations }) {
  const [isMoving, setMoving] = useState(false);
  return html`<span class="owner">${personFull(owner)} ${readState(owner)}
    <button type="button" onClick=${() => setMoving(true)}>${say("move")}</button></span>
    ${isMoving && html`<${Move} of=${of} owner=${owner} registrations=${registrations} onClose=${() => setMoving(false)} />`}`;
}

// Who has the study: its first, or one that it was joined to; an older one than those listed is its number alone.
export const ownerOf = ({ study, registration, read_state }, registrations) => registrations.find((r) => r.registration === registration || (r.study && r.study === study))
  || (registration ? { registration, read_state } : undefined);

function Odd({ d, registrations, isNobodys }) {
  const [wrong, setWrong] = useState("");
  const [isAsked, setAsked] = useState(false);
  const owner = ownerOf(d, registrations);
  return html`<li class="study ${d.is_open ? "red" : isNobodys ? "amber" : "grey"}" data-doubt=${d.study}>
    <div class="what"><b>${clean(d.name) || say("nobody_named")}</b><span class="quiet">${d.modality} · ${fullTime(d.arrived_at_us)}</span></div>
    <div class="how">${facts(d) && html`<span class="quiet">${facts(d)}</span>`}
      ${d.doubts.map((w) => html`<span class=${d.is_open ? "wrong" : ""}>${word(w)}</span>`)}
      ${d.confirmed_by && html`<span>${say("doubt_confirmed", d)}${d.reason ? `：${d.reason}` : ""}</span>`}
      ${d.is_open && d.others > 1 && html`<span class="wrong">${say("doubt_others", d.others + 1)}</span>`}
      ${!d.may_attach ? html`<span>${say("no_uid_old")}</span>` : d.doubts.includes("made_uid") && html`<span>${say("made_uid_how")}</span>`}
      ${owner ? html`<${Owner} of=${d} owner=${owner} registrations=${registrations} />` : d.may_attach && html`<${Why} d=${d} registrations=${registrations} /><${Whose} d=${d} registrations=${registrations} onError=${setWrong} />`}
      <${Wrong}>${wrong}<//></div>
    <div class="may">${d.is_open ? html`<${Mark} colour="red">${say("signing_waits")}<//> ${!d.doubts.includes("a_or_b") && html`<button type="button" onClick=${() => setAsked(true)}>${say("doubt_confirm")}</button>`}`
      : isNobodys ? html`<${Mark} colour="amber">${say("nobodys")}<//> <button type="button" onClick=${() => setAsked(true)}>${say("nobodys_confirm")}</button>` : null}</div>
    ${isAsked && html`<${Confirm} d=${d} isNobodys=${isNobodys} onClose=${() => setAsked(false)} />`}
  </li>`;
}

export function Doubts({ now }) {
  const corrections = now.corrections || [];
  const registrations = now.registrations || [];
  const doubts = now.doubts || [];
  const listed = new Set(doubts.map((d) => d.study));
  const isNobodys = new Set(nobodys(now).map((d) => d.study));
  const rows = [...doubts, ...(now.unmatched || []).filter((d) => !listed.has(d.study))].sort((a, b) => b.is_open - a.is_open
    || isNobodys.has(b.study) - isNobodys.has(a.study) || b.arrived_at_us - a.arrived_at_us);
  return html`<section aria-labelledby="doubts"><h2 id="doubts">${say("doubts")}</h2>
    <p class="quiet">${say(corrections.length + rows.length === 0 ? "no_doubts" : "doubts_why")}</p>
    <ul class="studies">${corrections.map((c) => html`<${Which} key=${c.n} c=${c} registrations=${registrations} />`)}
      ${rows.map((d) => html`<${Odd} key=${d.study} d=${d} registrations=${registrations} isNobodys=${isNobodys.has(d.study)} />`)}</ul></section>
    <${Aside} now=${now} />`;
}
