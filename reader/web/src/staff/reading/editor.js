// editor.js - the report beside the images: text, what the clinic said, what may be done now, versions.
import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Dialog, Notice, sentence, Work } from "../../shared/components.js";
import { clockTime, fullTime } from "../../shared/times.js";
import { troublesIn } from "./checks.js";
import { FIELDS } from "./draft.js";
import { say } from "./reading_words.js";
import { awaitedOf } from "./standing.js";
import { filled, templatesFor } from "./templates.js";

const ROWS = { exam: 1, findings: 4, impression: 2 }; // at least; they grow with the screen

function Saved({ draft }) {
  const s = draft.status.value;
  if (draft.isHeld) return html`<p class="saved dirty" role="status" data-status="held">${draft.isDirty ? say("rd_held") : ""}</p>`;
  const word = s.kind === "dirty" && s.isRestored ? "rd_restored" : `rd_${s.kind}`;
  if (s.kind === "conflict") return null;
  const text = s.kind === "saved" ? say("rd_saved", clockTime(s.at) || "") : s.kind === "refused" ? say("rd_refused", sentence(s.error)) : say(word);
  return html`<p class="saved ${s.kind}" role="status" data-status=${s.kind}>${text}</p>`;
}

function Conflict({ draft }) {
  const s = draft.status.value;
  if (s.kind !== "conflict") return null;
  return html`<div class="notice warn" role="alert"><p>${say("rd_conflict", s.by)}</p>
    <p class="buttons"><button type="button" onClick=${() => draft.settle(true)}>${say("rd_ours")}</button>
      <button type="button" onClick=${() => draft.settle(false)}>${say("rd_theirs")}</button></p>
    <details open><summary>${say("rd_their_text")}</summary>${FIELDS.map((name) => html`<p><b>${say(`rd_${name}`)}</b> ${s.theirs[name]}</p>`)}</details>
  </div>`;
}

function Text({ draft, name, isOpen }) {
  const id = `report-${name}`;
  const value = draft.fields.value[name];
  return html`<div class="field of-${name}"><label for=${id}>${say(`rd_${name}`)}</label>
    <textarea id=${id} name=${name} rows=${ROWS[name]} readonly=${!isOpen} value=${value} lang="zh-CN"
      onInput=${(event) => draft.edit(name, event.target.value)}></textarea></div>`;
}

function Templates({ draft, modality }) {
  const list = templatesFor(modality);
  if (list.length === 0) return null;
  const take = (event) => {
    const template = list.find((t) => t.id === event.target.value);
    event.target.value = "";
    if (!template) return;
    const next = filled(draft.fields.value, template);
    for (const name of FIELDS) if (next[name] !== draft.fields.value[name]) draft.edit(name, next[name]);
  };
  return html`<label class="template">${say("rd_template")} <select onChange=${take}><option value="">${say("rd_template_choose")}</option>
    ${list.map((t) => html`<option value=${t.id} lang="zh-CN">${t.title}</option>`)}</select></label>`;
}

function Troubles({ fields, item }) {
  const list = troublesIn(fields, item.patient?.sex, item.description ?? "");
  if (list.length === 0) return null;
  return html`<div class="notice warn checks" role="status"><ul aria-label=${say("rd_checks")}>${list.map((t) => html`<li>⚠ ${say(`rd_check_${t.kind}`, t)}</li>`)}</ul></div>`;
}

// Why a signature has to wait, as a word of ours and what it is about; null when it need not. isMoving: something is on the line.
export function holdUp(standing, lookedAt, shown, fields, isInDoubt, isMoving) {
  if (standing && standing.expected === null) return ["rd_block_unclosed"];
  if (!standing || standing.whole < standing.expected || missingOf(standing) > 0 || (isMoving && standing.onTheWay > (standing.gone?.images ?? 0))) return ["rd_block_previews"];
  if (lookedAt > 0) return ["rd_block_looked", lookedAt];
  if (shown === 0) return ["rd_block_unshown"];
  if (isInDoubt) return ["rd_block_doubts"];
  if (fields.impression.trim() === "") return ["rd_block_empty"];
  return fields.findings.trim() === "" ? ["rd_block_findings"] : null;
}

// What the closed list names and is not here, as the archive counts it: of the list, some may be aside and others be here.
const missingOf = (standing) => standing?.missing ?? 0;

// A question before what cannot be undone; with `label`, a reason is asked for too, which may be left out where it `mayBeEmpty`.
// warning: what has to be known; the button then says `confirm`.
function Ask({ title, text, warning, confirm, label, mayBeEmpty, isGrave, onDone, onClose }) {
  const [reason, setReason] = useState("");
  const [hasTried, setTried] = useState(false);
  const isLacking = Boolean(label) && !mayBeEmpty && !reason.trim();
  const run = async () => {
    setTried(true);
    if (isLacking) return;
    onClose();
    await onDone(reason.trim());
  };
  return html`<${Dialog} title=${title} onClose=${onClose}>
    ${text && html`<p>${text}</p>`}
    ${warning && html`<${Notice} kind="warn">${warning}<//>`}
    ${label && html`<div class="field"><label for="ask-reason">${label}</label>
      <textarea id="ask-reason" name="reason" rows="3" value=${reason} aria-invalid=${hasTried && isLacking ? "true" : undefined} onInput=${(event) => setReason(event.target.value)}></textarea>
      ${hasTried && isLacking && html`<span class="wrong" role="alert">${say("rd_need_reason")}</span>`}</div>`}
    <p class="buttons"><button type="button" class=${isGrave ? "danger" : "primary"} onClick=${run}>${confirm ?? say("rd_confirm")}</button>
      <button type="button" onClick=${onClose}>${say("cancel")}</button></p>
  <//>`;
}

function asksOf(state, standing, seen) {
  const covered = state.report.value.present ?? standing?.expected ?? "?";
  const n = awaitedOf(standing, state.item.value.absent);
  const lacking = n > 0 && { warning: say("rd_lacks", n), confirm: say("rd_lacks_sign", n), isGrave: true };
  return {
    sign: { title: say(state.report.value.may.review ? "rd_review_sign" : "rd_sign"), text: say("rd_sign_ask", covered), ...lacking, onDone: () => state.reviewAndSign(n) },
    preliminary: { title: say("rd_preliminary"), text: say("rd_preliminary_ask"), ...lacking, onDone: () => state.preliminary(n) },
    back: { title: say("rd_return"), label: say("rd_reason_return"), onDone: (reason) => state.giveBack(reason) },
    gone: { title: say("rd_gone", missingOf(standing)), text: say("rd_gone_ask"), label: say("rd_reason_gone"), isGrave: true, onDone: (reason) => state.gone(missingOf(standing), reason) },
    amend: { title: say("rd_amend"), label: say("rd_reason_amend"), onDone: (reason) => state.amend(reason, seen) },
    stands: { title: say("rd_stands"), text: say("rd_stands_ask", state.item.value), label: say("rd_reason_stands"), mayBeEmpty: true, onDone: (reason) => state.stands(reason, seen) },
    withdraw: { title: say("rd_withdraw"), label: say("rd_reason_withdraw"), isGrave: true, onDone: (reason) => state.withdraw(reason, seen) },
  };
}

function Steps({ state, standing, held, isMoving }) {
  const [{ asked, seen }, setAsk] = useState({ asked: "" });
  const setAsked = (name) => setAsk({ asked: name, seen: state.report.value.base });
  const may = state.report.value.may;
  const isEmpty = state.draft.fields.value.impression.trim() === "";
  const ask = asked && asksOf(state, standing, seen)[asked];
  const isSigning = may.review || may.sign || may.preliminary;
  const why = isSigning && held ? say(...held) : may.write && isEmpty ? say("rd_block_empty") : "";
  const about = why ? "step-why" : undefined;
  return html`<div class="steps">
    <p class="buttons">
      ${may.write && html`<${Work} class="primary" name="write" disabled=${isEmpty} aria-describedby=${about} onClick=${() => state.write()}>${say("rd_write")}<//>`}
      ${(may.review || may.sign) && html`<button type="button" class="primary" name="sign" disabled=${Boolean(held)} aria-describedby=${about} onClick=${() => setAsked("sign")}>${say(may.review ? "rd_review_sign" : "rd_sign")}</button>`}
      ${may.review && html`<button type="button" name="return" onClick=${() => setAsked("back")}>${say("rd_return")}</button>`}
      ${may.preliminary && html`<button type="button" name="preliminary" disabled=${Boolean(held)} aria-describedby=${about} onClick=${() => setAsked("preliminary")}>${say("rd_preliminary")}</button>`}
      ${may.stands && html`<button type="button" name="stands" onClick=${() => setAsked("stands")}>${say("rd_stands")}</button>`}
      ${may.amend && html`<button type="button" name="amend" onClick=${() => setAsked("amend")}>${say("rd_amend")}</button>`}
      ${may.withdraw && html`<button type="button" class="danger" name="withdraw" onClick=${() => setAsked("withdraw")}>${say("rd_withdraw")}</button>`}
    </p>
    ${why && html`<p id="step-why" class="why">${why}</p>`}
    ${(may.write || isSigning) && !isMoving && missingOf(standing) > 0 && html`<details class="missing"><summary>${say("rd_still", missingOf(standing))}</summary>
      <button type="button" name="gone" onClick=${() => setAsked("gone")}>${say("rd_gone", missingOf(standing))}</button></details>`}
    ${ask && html`<${Ask} key=${asked} ...${ask} onClose=${() => setAsked("")} />`}
  </div>`;
}

function Lease({ state }) {
  const item = state.item.value;
  const by = item.claimed_by;
  const may = state.report.value.may;
  if (state.isMine)
    return html`<p class="lease"><span>${say("rd_lease", clockTime(item.lease_until))}</span> <${Work} name="release" onClick=${() => state.release()}>${say("rd_release")}<//></p>`;
  if (by) return html`<p class="lease"><span class="mark amber">${say("rd_claimed_by", by.name)}</span></p>`;
  if (!item.may?.claim) return null;
  const claim = () => state.claim().catch((error) => (state.message.value = { kind: "bad", error }));
  return html`<p class="lease"><${Work} name="claim" class=${may.review || may.sign ? "" : "primary"} onClick=${claim}>${say(item.state === "written" ? "rd_claim_review" : "rd_claim")}<//></p>`;
}

function Versions({ report, read }) {
  const signed = report.versions ?? [];
  if (signed.length === 0) return null;
  return html`<section aria-label=${say("rd_versions")}><h2>${say("rd_versions")}</h2><ul class="versions">${signed.map((v) => html`<li>
    <b>${say("rd_version", v)}</b> <span class="mark ${v.state === "valid" || v.state === "signed" ? "green" : "amber"}">${say(`rd_state_${v.state}`)}</span>
    ${v.kind === "preliminary" && html` <span class="mark amber">${say("rd_kind_preliminary")}</span>`}
    <span class="quiet">${v.signed_at ? fullTime(v.signed_at) : say("rd_unsigned")} ${[v.author?.name ?? v.author, v.reviewer?.name ?? v.reviewer].filter(Boolean).join(" / ")} ${v.reason ?? ""}</span>
    ${v.looked && html` <span class="looked">${say("rd_looked", { by: v.looked.by, at: fullTime(v.looked.at) })} <span class="quiet">${v.looked.reason}</span></span>`}
    ${v.signed_at && html` <a href="/api/v1/reads/${read}/report/${v.version}/pdf" target="_blank" rel="noopener">${say("rd_pdf")}</a>
      <a href="/api/v1/reads/${read}/report/${v.version}/evidence" download>${say("rd_evidence")}</a>`}
    ${v.verify_url && html` <a href=${v.verify_url} target="_blank" rel="noopener">${say("rd_verify")}</a>`}
  </li>`)}</ul></section>`;
}

// Control+S saves, Control+Enter presses the main button, Escape goes back to the images.
function useEditorKeys(ref, state, onLeave) {
  useEffect(() => {
    const pressed = (event) => {
      if (event.isComposing) return;
      if (event.key === "Escape" && !document.querySelector("dialog[open]")) onLeave();
      else if (event.ctrlKey && event.key.toLowerCase() === "s") state.draft.flush().catch(() => null);
      else if (event.ctrlKey && event.key === "Enter") ref.current.querySelector(".steps button.primary:not(:disabled)")?.click();
      else return;
      event.preventDefault();
    };
    ref.current.addEventListener("keydown", pressed);
    return () => ref.current?.removeEventListener("keydown", pressed);
  }, []);
}

export function Editor({ state, standing, held, isMoving, onLeave }) {
  const ref = useRef(null);
  useEditorKeys(ref, state, onLeave);
  const [item, report, draft, message] = [state.item.value, state.report.value, state.draft, state.message.value];
  const isOpen = Boolean((report.may.write && state.isMine) || report.may.review);
  const returned = ["claimed", "drafted"].includes(item.state) ? report.returned_reason : "";
  return html`<section class="editor" ref=${ref} aria-label=${say("rd_report")}>
    <div class="head"><h2>${say("rd_report")}</h2> <span class="mark" data-state=${report.state}>${say(`rd_state_${report.state}`)}</span>
      ${report.kind === "preliminary" && html`<span class="mark amber">${say("rd_kind_preliminary")}</span>`}
      <${Lease} state=${state} /></div>
    ${report.amend_reason && isOpen && html`<${Notice} kind="info">${say("rd_amending", report.amend_reason)}<//>`}
    ${returned && html`<${Notice} kind="warn">${say("rd_returned", returned)}<//>`}
    ${isOpen && report.may.write && html`<${Templates} draft=${draft} modality=${item.modality} />`}
    <${Conflict} draft=${draft} />
    ${FIELDS.map((name) => html`<${Text} key=${name} draft=${draft} name=${name} isOpen=${isOpen} />`)}
    ${isOpen && html`<${Troubles} fields=${draft.fields.value} item=${item} />`}
    <div class="foot"><${Saved} draft=${draft} />
    ${message && html`<${Notice} kind=${message.kind}>${message.error ? sentence(message.error) : say(message.word, message.of)}<//>`}
    <${Steps} state=${state} standing=${standing} held=${held} isMoving=${isMoving} /></div>
    ${isOpen && html`<p class="quiet hint">${say("rd_keys_hint")}</p>`}
    <${Versions} report=${report} read=${state.read} />
  </section>`;
}
