// around.js - what stands around images and report: whose they are, what the clinic wrote, priors, the read's course.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { get } from "../../shared/api.js";
import { ageText, dayTime, minutesTo, plainDay, span } from "../../shared/times.js";
import { standingOf } from "./standing.js";
import { Urgency } from "./urgency.js";
import { latest } from "./report_state.js";
import { say } from "./reading_words.js";

export const SEX = { M: "♂", F: "♀" };
const colourOf = { signed: "green", amended: "green", withdrawn: "red", written: "amber", preliminary: "amber" };

// As the device wrote it (056Y), else from birth to study.
export function ageOf({ age, birth }, studyDate) {
  if (ageText(age)) return ageText(age);
  const [born, then] = [birth, studyDate].map((day) => /^(\d{4})-?(\d\d)-?(\d\d)/.exec(day ?? "")?.slice(1).map(Number));
  if (!born || !then) return age ?? "";
  const years = then[0] - born[0] - (then[1] * 100 + then[2] < born[1] * 100 + born[2] ? 1 : 0);
  return years >= 0 && years < 130 ? ageText(years) : "";
}

// What the clinic says will not come any more, and why.
const absentWords = (a) => (a ? ` · ${say("rd_absent", { n: a.images, why: [a.reason === "other" && a.words ? "" : say(`rd_absent_${a.reason}`), a.words].filter(Boolean).join(" · "), by: a.by })}` : "");

// What a doctor said is lost for good: on the list no more.
const goneWords = (g) => (g ? ` · ${say("rd_is_gone", { n: g.images, why: g.reason, by: g.by })}` : "");

function Standing({ standing, coming, absent }) {
  if (!standing) return null;
  const { word, due } = standingOf(standing);
  const isWhole = word === "rd_standing_whole" && !standing.gone;
  return html`<span class="mark ${isWhole ? "green" : "amber"}" data-whole=${isWhole}>${say(word, { ...standing, due })}${absentWords(absent)}${goneWords(standing.gone)}${coming && coming.seconds_left >= 0 ? ` · ${say("rd_left", coming.seconds_left)}` : ""}</span>`;
}

// The time left, asked for while something is on the line.
export function useComing(study, isComing) {
  const [coming, setComing] = useState(null);
  useEffect(() => {
    if (!isComing) return setComing(null);
    let isOver = false;
    const look = () => document.hidden || get(`studies/${study}/standing`).then((s) => isOver || setComing(s), () => null);
    const timer = setInterval(look, 3000);
    look();
    return () => {
      isOver = true;
      clearInterval(timer);
    };
  }, [study, isComing]);
  return coming;
}

function Due({ item }) {
  if (!item.due_at || ["signed", "amended", "withdrawn"].includes(item.state)) return null;
  const left = minutesTo(item.due_at);
  return html`<span class="mark ${left < 0 ? "red" : left < 15 ? "amber" : "grey"}">${say(left < 0 ? "rd_due_over" : "rd_due_left", span(left))}</span>`;
}

// looked: {by, at} of the version that stands, null: nobody said that it stands with what came later.
export function Head({ item, standing, coming, looked }) {
  const p = item.patient ?? {};
  return html`<div class="who">
    <a href="#/worklist">${say("rd_to_list")}</a>
    <h1><span lang="zh-CN">${p.name}</span> ${p.on_images && html`<span class="quiet" data-on-images>${say("rd_on_images", p.on_images)}</span>`} <span class="quiet">${SEX[p.sex] ?? ""} ${ageOf(p, item.study_date)} · ${say("rd_id")} ${p.id ?? ""}</span></h1>
    <span>${item.modality} ${item.description || item.body_part || ""} · ${item.clinic ?? ""}</span>
    <${Urgency} item=${item} />
    <span class="mark ${colourOf[item.state] ?? "grey"}" data-read-state=${item.state}>${say(`rd_state_${item.state}`)}</span>
    <${Due} item=${item} />
    <${Standing} standing=${standing} coming=${coming} absent=${item.absent} />
    ${item.is_late && html`<span class="mark red" data-late="true" role="status">${say("rd_late")}${item.covered ? `${say("colon")}${say("rd_covers", item)}` : ""}</span>`}
    ${!item.is_late && looked && ["signed", "amended"].includes(item.state) && html`<span class="mark grey" data-looked="true" role="status">${say("rd_looked", { by: looked.by, at: dayTime(looked.at) })}</span>`}
  </div>`;
}

export function Clinical({ item }) {
  const rows = [["rd_complaint", item.complaint], ["rd_history", item.history], ["rd_phone", item.clinic_phone]].filter(([, text]) => text);
  if (rows.length === 0) return html`<p class="clinical quiet">${say("rd_clinic_says")}${say("colon")}${say("rd_nothing_said")}</p>`;
  return html`<details class="clinical" open><summary>${say("rd_clinic_says")}</summary>
    <dl>${rows.map(([word, text]) => html`<div><dt>${say(word)}</dt>
      <dd>${word === "rd_phone" ? html`<a href="tel:${text.replace(/[^+\d]/g, "")}">${text}</a>` : text}</dd></div>`)}</dl>
  </details>`;
}

export function Priors({ item, chosen, onChoose }) {
  const list = item.priors ?? [];
  return html`<section aria-label=${say("priors")}><h2>${say("priors")}</h2>
    ${list.length === 0 && html`<p class="quiet">${say("no_priors")}</p>`}
    <ul class="priors">${list.map((p) => html`<li><button type="button" data-prior=${p.study} aria-pressed=${chosen === p.study} onClick=${() => onChoose(p)}>
      <b>${plainDay(p.date)}</b> ${p.modality} ${p.description}</button></li>`)}</ul>
  </section>`;
}

export function PriorReport({ of }) {
  const [report, setReport] = useState(undefined);
  useEffect(() => {
    let isOver = false;
    if (!of.read) return setReport(null);
    get(`reads/${of.read}/report`).then((r) => isOver || setReport(latest(r) ?? null), () => isOver || setReport(null));
    return () => (isOver = true);
  }, [of.study]);
  if (report === undefined) return null;
  return html`<section class="prior-report" aria-label=${say("rd_prior_report")}><h2>${say("rd_prior_report")} ${plainDay(of.date)}</h2>
    ${!report || !report.impression ? html`<p class="quiet">${say("rd_prior_none")}</p>` : ["exam", "findings", "impression"].map((name) => html`<p lang="zh-CN"><b>${say(`rd_${name}`)}</b> ${report[name]}</p>`)}
  </section>`;
}

export function Course({ item }) {
  const events = item.events ?? [];
  if (events.length === 0) return null;
  return html`<details class="course"><summary>${say("rd_course")}</summary><ol>${events.map((e) => html`<li>
    <span class="quiet">${dayTime(e.at)}</span> ${say(`rd_event_${e.event}`)} <span class="quiet">${e.actor === "system" ? "" : e.actor}</span></li>`)}</ol></details>`;
}
