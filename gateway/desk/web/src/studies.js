// studies.js - today's studies: what arrived, how far it is, whether the device may forget it, whose it is.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { Absent, absentLine } from "./absent.js";
import { Owner, ownerOf, Whose, Why } from "./doubts.js";
import { Mark, Work, Wrong } from "./parts.js";
import { isRead, plainDay, sexWord } from "./people.js";
import { Reject, Rejects } from "./rejects.js";
import { Stat } from "./stat.js";
import { closeStudy, me, post } from "./state.js";
import { say, shortTime } from "./words.js";

// A device that knows no order number sends a study nobody can name: why, and the technician says whose it is.
function Attach({ study, registrations, doubts, onError }) {
  const d = { ...study, patient_id: study.patient?.id, accession: study.patient?.accession, doubts };
  return html`<${Why} d=${d} registrations=${registrations} />
    ${registrations.length === 0 ? html`<span class="quiet"><a href="#/register">${say("unattached_none")}</a></span>`
    : html`<${Whose} d=${d} registrations=${registrations} onError=${onError} />`}`;
}

// What the images say of whose they are; what of it is not as it was registered is said aloud (Wang XiaoDong is 王小东: state.patient.differs).
function OnImages({ patient, owner }) {
  const name = (patient?.name || "").replace(/\^+/g, "");
  if (!patient || (!name && !patient.id)) return null;
  const said = { name, sex: patient.sex && sexWord(patient.sex), birth: plainDay(patient.birth) };
  const other = owner ? patient.differs.map((what) => said[what]) : [];
  if (owner && other.length === 0) return null;
  return other.length > 0 ? html`<span class="wrong" role="alert">${say("other_patient", other.join(" "))}</span>`
    : html`<span class="quiet">${say("on_images", [name, said.sex, said.birth, patient.id].filter(Boolean).join(" "))}</span>`;
}

// "2 of 2 stored here", "2 of 2 at the centre, verified: safe to delete on the device"; what a device says it made and did not
// send adds to what is due, and nothing is safe before it came or somebody said that it will not.
function Progress({ s }) {
  const due = s.total + s.missing;
  const verified = s.counts.sealed + s.counts.duplicate;
  return html`<span><b class="number">${say(s.is_safe_to_delete ? (s.is_target_wrong ? "count_stored" : s.kept_at ? "count_kept" : "count_safe") : "count_here", { n: s.is_safe_to_delete ? verified : s.total, due, at: s.kept_at })}</b></span>
    ${!s.is_safe_to_delete && !s.is_target_wrong && !s.progress && s.at_centre > 0 && html`<span class="quiet">${say(s.kept_at ? "count_archive" : "count_centre", { n: s.at_centre, due, at: s.kept_at })}</span>`}
    ${s.missing > 0 && html`<span class="wrong">${say("still_missing", s.missing)}</span>`}
    ${s.absent && html`<b data-absent=${s.absent.images}>${absentLine(s.absent)}</b>`}`;
}

// What is on its way: objects, bytes, and the time left where it is known. All of it there: nothing is shown.
function OnTheLine({ p }) {
  if (!p || p.objects === 0 || p.held >= p.objects) return null;
  const parts = [say("progress", p), p.looked < p.objects && say("progress_looked", p), say("progress_bytes", p), p.seconds_left >= 0 && say("progress_left", p.seconds_left)].filter(Boolean);
  return html`<span class="progress"><progress aria-label=${say("progress_of")} max=${p.bytes_all || 1} value=${Math.min(p.bytes_there, p.bytes_all)}></progress>
    <span class="number">${parts.join(" · ")}</span></span>`;
}

const doseLine = (dose) => dose.values.map((v) => `${say(`dose_${v.kind}`)} ${Number(v.value.toPrecision(4))} ${v.unit}`).join(" · ");

// What came is all there, and more was announced: "the centre has everything" would not be true.
const wordOf = (s) => (s.is_target_wrong && ["held", "looked", "sending"].includes(s.word) ? "waits_for_table" : s.gone > 0 && s.word === "held" ? "held_gone" : s.missing > 0 && s.word === "held" ? "held_missing" : s.kept_at && ["held", "sending"].includes(s.word) ? `${s.word}_kept` : s.word);

function Study({ study, registrations, dose, doubt }) {
  const [wrong, setWrong] = useState("");
  const [isReject, setReject] = useState(false);
  const [isStat, setStat] = useState(false);
  const [isAbsent, setAbsent] = useState(false);
  const mayWork = me.value?.may_work;
  const n = study.counts;
  const there = n.held + n.sealed;
  // one that came twice is there when what it repeats is: known for sure when all others are
  const s = { ...study, at_centre: there + (there + n.duplicate >= study.total ? n.duplicate : 0) };
  const colour = s.is_safe_to_delete ? "green" : s.word === "attention" || s.is_stat ? "red" : "grey";
  const owner = ownerOf(s, registrations);
  // Of the image all may be well, and the report waits all the same: the bar is never green then.
  const isOdd = doubt?.is_open || (mayWork && !owner && s.may_attach);
  return html`<li class="study ${isOdd && colour !== "red" ? "amber" : colour}" data-study=${s.study}>
    <div class="what">
      <b>${s.modality || "?"} ${s.body_part}</b>
      <span class="quiet">${s.device} · ${shortTime(s.first_arrival_us)}</span>
    </div>
    <div class="how">
      ${s.is_stat && html`<span class="marks"><${Mark} colour="red">${say("is_stat")}<//>${s.urgency && html`<b>${say("stat_by", s.urgency)}</b>`}</span>`}
      ${doubt?.is_open && html`<span class="marks"><${Mark} colour="amber">${say("signing_waits")}<//> <a href="#/doubts">${say("doubt_see")}</a></span>`}
      <${Progress} s=${s} />
      <${OnTheLine} p=${s.progress} />
      ${s.word === "attention" && html`<span class="wrong">${say("attention", s)}</span>`}
      <span class="quiet">${[!s.is_safe_to_delete && s.word !== "attention" && !(s.progress && ["sending", "looked", "held"].includes(s.word)) && say(wordOf(s), s), s.is_closed && s.missing === 0 && say("is_closed")].filter(Boolean).join(" · ")}</span>
      ${dose && html`<span class="quiet">${say("dose")} ${doseLine(dose)}</span>`}
      ${!mayWork ? null : owner ? html`<${Owner} of=${s} owner=${owner} registrations=${registrations} />`
        : s.may_attach && html`<${Attach} study=${s} registrations=${registrations} doubts=${doubt?.doubts} onError=${setWrong} />`}
      <${OnImages} patient=${s.patient} owner=${owner?.name && owner} />
      <${Wrong}>${wrong}<//>
    </div>
    <div class="may">
      <${Mark} colour=${colour}>${s.is_safe_to_delete ? "✓ " : ""}${say(s.is_safe_to_delete ? "delete_yes" : "delete_no")}<//>
      ${mayWork && !s.is_closed && s.word !== "receiving" && html`<${Work} onError=${setWrong} onClick=${() => closeStudy(s.study)}>${say("close")}<//>`}
      ${mayWork && !isRead(owner) && html`<button type="button" class=${s.is_stat ? "" : "danger"} onClick=${() => setStat(true)}>${say(s.is_stat ? "stat_back" : "stat")}</button>`}
      ${mayWork && s.missing + s.lost > 0 && s.word !== "receiving" && html`<button type="button" onClick=${() => setAbsent(true)}>${say("absent")}</button>`}
      ${mayWork && s.absent && html`<${Work} onError=${setWrong} onClick=${() => post(`studies/${s.study}/awaited`)}>${say("absent_back")}<//>`}
      ${mayWork && html`<button type="button" onClick=${() => setReject(true)}>${say("reject")}</button>`}
    </div>
    ${isStat && html`<${Stat} study=${s.study} isStat=${s.is_stat} isOfMore=${owner?.is_urgent} onClose=${() => setStat(false)} />`}
    ${isAbsent && html`<${Absent} study=${s} onClose=${() => setAbsent(false)} />`}
    ${isReject && html`<${Reject} study=${s} onClose=${() => setReject(false)} />`}
  </li>`;
}

export function Studies({ now }) {
  const registrations = now.registrations || [];
  const newest = now.studies.length - (now.longest || 0); // of more than are listed the last are those that wait longest
  const rows = (studies) => html`<ul class="studies">${studies.map((study) => html`<${Study} key=${study.study} study=${study} registrations=${registrations}
        doubt=${[...(now.doubts || []), ...(now.unmatched || [])].find((x) => x.study === study.study)}
        dose=${(now.doses || []).find((x) => x.study === study.study)} />`)}</ul>`;
  return html`<section aria-labelledby="studies">
      <h2 id="studies">${say("studies")}</h2>
      ${now.studies.length === 0 && html`<p class="quiet">${say("none")}</p>`}
      ${rows(now.studies.slice(0, newest))}
      ${now.older > 0 && html`<p class="quiet">${say("older", now.older)}</p>`}
      ${now.longest > 0 && html`<h3>${say("longest", now.longest)}</h3>${rows(now.studies.slice(newest))}`}
      <${Rejects} now=${now} />
    </section>`;
}
