// reads.js - how one read is told: words for its patient, its images, its state, its time. No guesses: what was not
// counted is not called complete.
import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../../shared/api.js";
import { Mark } from "../../shared/components.js";
import { ageText, minutesTo } from "../../shared/times.js";
import { language, say } from "../../shared/words.js";

export const isDone = (r) => ["signed", "amended", "withdrawn"].includes(r.state);
export const isOpen = (r) => !isDone(r) || r.is_late;
export const needsSecond = (r) => ["written", "reviewed", "preliminary"].includes(r.state);
export const isOverdue = (r, now) => !isDone(r) && Boolean(r.due_at) && minutesTo(r.due_at, now) < 0;

// Emergencies first, then what is due first; what is done comes last, newest first.
export function byUrgency(a, b) {
  if (isOpen(a) !== isOpen(b)) return isOpen(a) ? -1 : 1;
  if (!isOpen(a)) return (b.closed_at || "").localeCompare(a.closed_at || "");
  if (a.urgency !== b.urgency) return a.urgency === "emergency" ? -1 : 1;
  return (a.due_at || "9").localeCompare(b.due_at || "9") || a.read - b.read;
}

// "WANG^XIAODONG=王^小东": the Han form when there is one.
export function personName(text) {
  const [letters, han] = (text || "").split("=");
  const name = han || letters || "";
  return name.replace(/\^+/g, /\p{Script=Han}/u.test(name) ? "" : " ").trim() || say("unnamed");
}

const SEX = { M: "male", F: "female" };

export const sexAge = (p) => [say(SEX[p.sex] || "sex_other"), ageText(p.age)].filter(Boolean).join(" ");
export const examText = (r) => [r.modality, r.body_part, r.description].filter(Boolean).join(" · ");
export const reasonText = (r) => (language.value === "en" && r.reason_en ? r.reason_en : r.reason) || "";

const COLOURS = { waiting: "amber", unagreed: "red", written: "amber", reviewed: "amber", preliminary: "amber", signed: "green", amended: "green", withdrawn: "red" };

export const State = ({ read }) => html`<${Mark} colour=${COLOURS[read.state]}>${say(`state_${read.state}`)}<//>`;

const isComing = (r) => r.whole < r.received && !isDone(r);
const LOOK_MS = 4000;
const TOLD_MS = 60000; // devices say how many there are when they have done, often after the list was closed

// How its study stands, of one that is not done: asked for while the row is on the screen.
function useStanding(r, box) {
  const [standing, setStanding] = useState(null);
  const everyMs = isDone(r) ? 0 : isComing(r) ? LOOK_MS : TOLD_MS;
  useEffect(() => {
    if (everyMs === 0) return undefined;
    let isSeen = false;
    let isOver = false;
    const look = () => isSeen && !document.hidden && get(`studies/${r.study}/standing`).then((s) => isOver || setStanding(s), () => null);
    const watch = new IntersectionObserver((all) => {
      const wasSeen = isSeen;
      isSeen = all[all.length - 1].isIntersecting;
      if (isSeen && !wasSeen) look();
    });
    watch.observe(box.current);
    const timer = setInterval(look, everyMs);
    return () => {
      isOver = true;
      watch.disconnect();
      clearInterval(timer);
    };
  }, [r.study, everyMs]);
  return standing;
}

// What is still on the line, with the time left.
const OnTheLine = ({ read: r, s }) => html`<span class="line quiet">${s && s.bytes_all > 0
  ? html`<progress aria-label=${say("progress_of")} max=${s.bytes_all} value=${Math.min(s.bytes_there, s.bytes_all)}></progress> ${say("on_the_line", s)}` : say("whole", r)}</span>`;

export function Images({ read: r }) {
  const box = useRef(null);
  const s = useStanding(r, box);
  const isShort = r.covered !== null && r.covered !== undefined && r.covered > 0 && r.covered < r.received;
  return html`<span class="line" ref=${box}>${say("received", { n: r.received, isAsked: s !== null, announced: s?.announced })}</span>
    ${isComing(r) ? html`<${OnTheLine} read=${r} s=${s} />` : html`<span class="line quiet">${say("whole", r)}</span>`}
    ${r.is_late && html`<${Mark} colour="red">${say("is_late")}<//>`}
    ${r.has_open_doubts && html`<${Mark} colour="red">${say("in_doubt")}<//>`}
    ${isShort && r.is_late && html` <${Mark} colour="red">${say("covers", r)}<//>`}
    ${isShort && !r.is_late && isDone(r) && html` <${Mark} colour="grey">${say("looked")}<//>`}`;
}

export function Due({ read: r, now }) {
  const age = html`<span class="line quiet">${say("since", -minutesTo(r.closed_at, now))}</span>`;
  if (isDone(r)) return html`<span class="line">${say("done")}</span>${age}`;
  if (!r.due_at) return html`<span class="line">${say("no_due")}</span>${age}`;
  const m = minutesTo(r.due_at, now);
  return html`${m < 0 ? html`<${Mark} colour="red">${say("overdue", -m)}<//>`
    : html`<span class="line ${m < 15 ? "soon" : ""}">${say("due_in", m)}</span>`}${age}`;
}

export function Reader({ read: r }) {
  if (isDone(r) && !r.claimed_by) return html`<span class="line quiet">${r.assigned_to ? r.assigned_to.name || r.assigned_to.login : "—"}</span>`;
  return html`${r.claimed_by && html`<span class="line"><b>${say("claimed_by", r.claimed_by.name || r.claimed_by.login)}</b></span>`}
    ${!r.claimed_by && html`<span class="line">${r.assigned_to ? say("assigned_to", r.assigned_to.name || r.assigned_to.login) : say("nobody")}</span>`}
    ${reasonText(r) && html`<span class="line quiet">${reasonText(r)}</span>`}`;
}

export const Urgency = ({ read: r }) =>
  html`${r.urgency === "emergency" ? html`<${Mark} colour="red">${say("emergency")}<//>${say("urgent_by", r) && html`<span class="line quiet">${say("urgent_by", r)}</span>`}` : html`<span class="quiet">${say("routine")}</span>`}`;
