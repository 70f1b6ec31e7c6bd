// imports.js - files from devices that speak no DICOM: look at them, say whose they are, or throw them away.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { useFinder } from "./found.js";
import { Dialog, Field, Folded, sentence, Sure, Work, Wrong } from "./parts.js";
import { PeopleOptions, personFull, plainDay, sexWord } from "./people.js";
import { get, post } from "./state.js";
import { bytes, fullTime, say } from "./words.js";

const PICTURES = ["jpeg", "png", "avi", "aecg", "scp_ecg"];
// What to do about a file that cannot be used, by what the reason names.
const ADVICE = [[/ends early|never finished/, "advice_again"], [/MP4/, "advice_film"], [/JPEG|RGB/, "advice_picture"], [/ECG/, "advice_ecg"]];
const advice = (why) => say((ADVICE.find(([pattern]) => pattern.test(why)) || [0, "advice_kind"])[1]);

function Bind({ item, registrations, onDone, onError }) {
  const [chosen, setChosen] = useState("");
  const [isOther, setOther] = useState(false);
  const [people, finder] = useFinder(registrations, item.id);
  const to = people.find((r) => r.registration === chosen);
  const id = `bind-${item.id}`;
  const bind = async () => {
    try {
      await post(`imports/${item.id}/bind`, { registration: chosen, is_sure: isOther });
      onDone();
    } catch (error) {
      if (error.body?.word !== "other_person") throw error;
      setOther(true); // asked once more, in words
    }
  };
  return html`${finder}<span class="attach"><label for=${id}>${say("import_whose")}</label>
    <select id=${id} value=${to ? chosen : ""} onChange=${(event) => { setChosen(event.target.value); setOther(false); }}><option value="">${say("whose")}</option>
      <${PeopleOptions} registrations=${people} /></select>
    ${isOther && html`<span class="wrong" role="alert">${say("import_other")}</span>`}
    <${Work} class=${isOther ? "danger" : ""} disabled=${!to} onError=${onError} onClick=${bind}>${say(isOther ? "import_sure" : "attach")}<//></span>`;
}

function Discard({ item, onDone, onClose }) {
  const [reason, setReason] = useState("");
  const [wrong, setWrong] = useState("");
  const send = async () => {
    await post(`imports/${item.id}/discard`, { reason: reason.trim() });
    onDone();
  };
  return html`<${Dialog} title=${say("import_discard")} onClose=${onClose}><p>${item.name}</p><${Wrong}>${wrong}<//>
    <${Field} label=${say("import_reason")} name="reason" value=${reason} onInput=${setReason} maxlength="200" />
    <div class="quick"><${Work} class="danger" disabled=${reason.trim() === ""} onError=${setWrong} onClick=${send}>${say("import_discard")}<//>
      <button type="button" onClick=${onClose}>${say("shut")}</button></div><//>`;
}

const What = ({ item }) => html`<div class="what"><b>${say(`kind_${item.kind}`)}</b><span class="quiet">${bytes(item.size)} · ${fullTime(item.file_us)}</span>
      ${item.has_source && PICTURES.includes(item.kind) && html`<img class="peek" src="/desk/v1/imports/${item.id}/preview" alt=${item.name} loading="lazy" />`}</div>`;
const Look = ({ item }) => item.has_source && html`<a class="button" href="/desk/v1/imports/${item.id}/source" target="_blank" rel="noopener">${say("look")}</a>`;

function Item({ item, registrations, onDone }) {
  const [wrong, setWrong] = useState("");
  const [isAsked, setAsked] = useState(false);
  const said = item.said || {};
  const told = [said.name, said.sex && sexWord(said.sex), plainDay(said.birth), said.id].filter(Boolean).join(" ");
  return html`<li class="study ${item.state === "unusable" ? "red" : "amber"}" data-import=${item.id}>
    <${What} item=${item} />
    <div class="how"><span class="uid">${item.name}</span>
      ${told && html`<span>${say("file_says", told)}</span>`}
      ${item.why && html`<span class="wrong"><b>${advice(item.why)}</b> ${item.why}</span>`}
      ${item.state === "waiting" && html`<${Bind} item=${item} registrations=${registrations} onDone=${onDone} onError=${setWrong} />`}
      <${Wrong}>${wrong}<//></div>
    <div class="may"><${Look} item=${item} /><button type="button" onClick=${() => setAsked(true)}>${say("import_discard")}</button></div>
    ${isAsked && html`<${Discard} item=${item} onClose=${() => setAsked(false)} onDone=${() => { setAsked(false); onDone(); }} />`}
  </li>`;
}

// What was decided lately, and the way back: what was thrown away waits again; so does what went to the wrong patient, whose
// copy is at the centre for good.
const OPEN = ["waiting", "unusable", "binding"];
const RECENT_US = 14 * 86400e6;

// One row for each: images of one study were decided together.
function lately(items, now_us) {
  const rows = new Map();
  for (const item of items.filter((i) => i.by && !OPEN.includes(i.state) && i.changed_us > now_us - RECENT_US)) {
    const key = `${item.state} ${item.group}`;
    rows.set(key, [...(rows.get(key) || []), item]);
  }
  return [...rows.values()].sort(([a], [b]) => b.changed_us - a.changed_us);
}

function Done({ group, registrations, onDone }) {
  const item = group[0];
  const [wrong, setWrong] = useState("");
  const [isAsked, setAsked] = useState(false);
  const isBound = item.state === "bound";
  const owner = isBound && registrations.find((r) => r.registration === item.bound.accession);
  const who = owner ? personFull(owner) : isBound && [item.bound.name.split("=").find((part) => /\p{Script=Han}/u.test(part)) || item.bound.name.split("=")[0].replace(/\^+/g, " ").trim(), item.bound.accession].filter(Boolean).join(" · ");
  const reopen = async () => {
    for (const one of group) await post(`imports/${one.id}/reopen`);
    setAsked(false);
    onDone();
  };
  return html`<li class="study grey" data-done=${item.id}>
    <${What} item=${item} />
    <div class="how"><span class="uid">${item.name}${group.length > 1 && ` ${say("media_files", group.length)}`}</span>
      <span>${isBound ? html`${say("import_bound")}<b>${who}</b>` : say("import_discarded", item.reason)}</span>
      <span class="quiet">${[item.by, fullTime(item.changed_us)].filter(Boolean).join(" · ")}</span><${Wrong}>${wrong}<//></div>
    <div class="may"><${Look} item=${item} />${item.has_source && (isBound ? html`<button type="button" onClick=${() => setAsked(true)}>${say("import_back")}</button>`
      : html`<${Work} onError=${setWrong} onClick=${reopen}>${say("import_reopen")}<//>`)}</div>
    ${isAsked && html`<${Sure} title=${say("import_back")} words=${say("import_back_how", who)} onDo=${reopen} onClose=${() => setAsked(false)} />`}
  </li>`;
}

export const waitingFiles = ({ imports }) => (imports?.waiting || 0) + (imports?.unusable || 0) + (imports?.too_large || 0) + (imports?.no_room || 0);

export function Imports({ now }) {
  const [items, setItems] = useState([]);
  const [media, setMedia] = useState([]);
  const [wrong, setWrong] = useState("");
  const [taken, setTaken] = useState("");
  const load = async () => {
    try {
      const [all, found] = await Promise.all([get("imports"), get("import-media")]);
      setItems(all.items);
      setMedia(found.media);
    } catch (error) {
      setWrong(sentence(error));
    }
  };
  const counts = now.imports || {};
  const open = items.filter((i) => OPEN.includes(i.state));
  const due = (counts.waiting || 0) + (counts.binding || 0) + (counts.unusable || 0);
  const done = lately(items, now.now_us);
  useEffect(() => {
    load();
  }, [counts.waiting, counts.binding, counts.unusable]);
  const take = (name) => async () => {
    setTaken(say("media_taken", await post(`import-media/${encodeURIComponent(name)}`)));
    await load();
  };
  return html`<section aria-labelledby="imports">
    <div class="line"><h2 id="imports">${say("imports")}</h2><${Work} onError=${setWrong} onClick=${async () => { await post("imports/rescan"); await load(); }}>${say("rescan")}<//></div>
    <p class="quiet">${say("imports_why")}</p>
    <${Wrong}>${wrong}<//>
    ${media.map((m) => html`<div class="notice"><p><b>${m.name}</b> ${say("media_files", m.files)}</p><${Work} onError=${setWrong} onClick=${take(m.name)}>${say("media_take")}<//></div>`)}
    ${taken && html`<p class="done" role="status">${taken}</p>`}
    ${counts.no_room > 0 && html`<p class="notice" role="status">${say("imports_no_room", counts.no_room)}</p>`}
    ${counts.too_large > 0 && html`<p class="notice" role="status">${say("imports_too_large", counts.too_large)}</p>`}
    ${due === 0 && open.length === 0 && html`<p class="quiet">${say("no_imports")}</p>`}
    ${due > open.length && open.length > 0 && html`<p class="notice" role="status">${say("imports_cut", { listed: open.length, n: due })}</p>`}
    <ul class="studies">${open.map((item) => html`<${Item} key=${item.id} item=${item} registrations=${now.registrations || []} onDone=${load} />`)}</ul>
    ${done.length > 0 && html`<${Folded} title=${say("imports_done", done.length)}>${done.map((group) => html`<${Done} key=${group[0].id} group=${group} registrations=${now.registrations || []} onDone=${load} />`)}<//>`}
  </section>`;
}
