// studies.js - today's studies: what arrived, how far it is, whether the device may forget it, whose it is.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { Mark, Work, Wrong } from "./parts.js";
import { personLine, plainDay, readState, sexWord } from "./people.js";
import { Reject, Rejects } from "./rejects.js";
import { closeStudy, me, post } from "./state.js";
import { clockTime, say } from "./words.js";

// A device that knows no order number sends a study nobody can name: the technician says whose it is.
function Attach({ study, registrations, onError }) {
  const open = registrations.filter((r) => !r.study);
  const [chosen, setChosen] = useState("");
  if (open.length === 0) return html`<span class="quiet">${say("unattached")}</span>`;
  const id = `attach-${study.study}`;
  return html`<span class="attach">
    <label for=${id}>${say("unattached")}</label>
    <select id=${id} value=${chosen} onChange=${(event) => setChosen(event.target.value)}>
      <option value="">${say("whose")}</option>
      ${open.map((r) => html`<option value=${r.registration}>${personLine(r)}</option>`)}
    </select>
    <${Work} disabled=${chosen === ""} onError=${onError} onClick=${() => post(`registrations/${chosen}/attach`, { study: study.study })}>${say("attach")}<//>
  </span>`;
}

// What the images say of whose they are; when it is not the patient they were attached to, that is said aloud.
function OnImages({ patient, owner }) {
  const name = (patient?.name || "").replace(/\^+/g, "");
  if (!patient || (!name && !patient.id)) return null;
  const isOther = owner && ((name && name !== owner.name) || (patient.sex && owner.sex && patient.sex !== owner.sex) || (patient.birth && owner.birth && patient.birth !== owner.birth));
  if (owner && !isOther) return null;
  return html`<span class=${isOther ? "wrong" : "quiet"} role=${isOther ? "alert" : undefined}>${say(isOther ? "other_patient" : "on_images", [name, patient.sex && sexWord(patient.sex), plainDay(patient.birth), patient.id].filter(Boolean).join(" "))}</span>`;
}

// "2 of 2 stored here", "2 of 2 at the centre, verified: safe to delete on the device"; more are expected than came when the
// device said so.
function Progress({ s, step }) {
  const due = Math.max(s.total, step?.expected || 0);
  const verified = s.counts.sealed + s.counts.duplicate;
  return html`<span><b class="number">${say(s.is_safe_to_delete && due === s.total ? (s.kept_at ? "count_kept" : "count_safe") : "count_here", { n: s.is_safe_to_delete ? verified : s.total, due, at: s.kept_at })}</b></span>
    ${!s.is_safe_to_delete && s.at_centre > 0 && html`<span class="quiet">${say(s.kept_at ? "count_archive" : "count_centre", { n: s.at_centre, due, at: s.kept_at })}</span>`}
    ${step?.missing > 0 && html`<span class="wrong">${say("still_missing", step.missing)}</span>`}`;
}

const doseLine = (dose) => dose.values.map((v) => `${say(`dose_${v.kind}`)} ${Number(v.value.toPrecision(4))} ${v.unit}`).join(" · ");

function Study({ study, registrations, step, dose }) {
  const [wrong, setWrong] = useState("");
  const [isReject, setReject] = useState(false);
  const mayWork = me.value?.may_work;
  const n = study.counts;
  const s = { ...study, at_centre: n.held + n.sealed + n.duplicate };
  const colour = s.is_safe_to_delete ? "green" : s.word === "attention" ? "red" : "grey";
  const owner = registrations.find((r) => r.registration === s.registration || (r.study && r.study === s.study));
  return html`<li class="study ${colour}" data-study=${s.study}>
    <div class="what">
      <b>${s.modality || "?"} ${s.body_part}</b>
      <span class="quiet">${s.device} · ${clockTime(s.first_arrival_us)}</span>
    </div>
    <div class="how">
      <${Progress} s=${s} step=${step} />
      <span class="quiet">${[!s.is_safe_to_delete && say(s.kept_at && ["held", "sending"].includes(s.word) ? `${s.word}_kept` : s.word, s), s.is_closed && say("is_closed")].filter(Boolean).join(" · ")}</span>
      ${dose && html`<span class="quiet">${say("dose")} ${doseLine(dose)}</span>`}
      ${!mayWork ? null : owner ? html`<span class="owner">${personLine(owner)} ${readState(owner)}</span>`
        : html`<${Attach} study=${s} registrations=${registrations} onError=${setWrong} />`}
      <${OnImages} patient=${s.patient} owner=${owner} />
      <${Wrong}>${wrong}<//>
    </div>
    <div class="may">
      <${Mark} colour=${colour}>${s.is_safe_to_delete ? "✓ " : ""}${say(s.is_safe_to_delete ? "delete_yes" : "delete_no")}<//>
      ${mayWork && !s.is_closed && s.word !== "receiving" && html`<${Work} onError=${setWrong} onClick=${() => closeStudy(s.study)}>${say("close")}<//>`}
      ${mayWork && html`<button type="button" onClick=${() => setReject(true)}>${say("reject")}</button>`}
    </div>
    ${isReject && html`<${Reject} study=${s} onClose=${() => setReject(false)} />`}
  </li>`;
}

export function Studies({ now }) {
  const registrations = now.registrations || [];
  return html`<section aria-labelledby="studies">
      <h2 id="studies">${say("studies")}</h2>
      ${now.studies.length === 0 && html`<p class="quiet">${say("none")}</p>`}
      <ul class="studies">${now.studies.map((study) => html`<${Study} key=${study.study} study=${study} registrations=${registrations}
        step=${(now.steps || []).find((x) => x.study === study.study)} dose=${(now.doses || []).find((x) => x.study === study.study)} />`)}</ul>
      ${now.older > 0 && html`<p class="quiet">${say("older", now.older)}</p>`}
      <${Rejects} now=${now} />
    </section>`;
}
