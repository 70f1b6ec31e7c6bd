// worklist_page.js - what is to be read, most urgent first; kept fresh by the server's events; J, K and Enter do it all.
import { html } from "htm/preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import "./worklist_words.js";
import "./worklist.css";
import { follow, get } from "../../shared/api.js";
import { Mark, Notice, sentence } from "../../shared/components.js";
import { keep, kept, say } from "../../shared/words.js";
import { hasRole, user } from "../session.js";
import { byUrgency, Due, examText, Images, isDone, isOpen, needsSecond, personName, Reader, sexAge, State, Urgency } from "./reads.js";

const SHOWS = { open: isOpen, review: needsSecond, signed: isDone, all: () => true };

// The list, asked for again whenever the server says that something changed.
function useWorklist() {
  const [list, setList] = useState(null);
  const [wrong, setWrong] = useState("");
  const [isLive, setLive] = useState(true);
  useEffect(() => {
    let isOver = false;
    let isAsking = false;
    let isStale = false;
    const ask = async () => {
      if (isAsking) return void (isStale = true);
      isAsking = true;
      do {
        isStale = false;
        try {
          const answer = await get("worklist");
          if (isOver) return;
          setList(answer.items);
          setWrong("");
        } catch (error) {
          if (!isOver) setWrong(sentence(error));
        }
      } while (isStale && !isOver);
      isAsking = false;
    };
    const events = follow("worklist/stream", ask);
    const unwatch = events.isLive.subscribe((value) => setLive(value));
    ask();
    return () => {
      isOver = true;
      unwatch();
      events.stop();
    };
  }, []);
  return { list, wrong, isLive };
}

function useMinute() {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 15000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

// Who reads will open an image next: the imaging library comes when the list is there and the browser has nothing to do.
function useReadingAhead(isHere) {
  useEffect(() => {
    if (!isHere || !hasRole("doctor", "reviewer") || !globalThis.requestIdleCallback) return undefined;
    const idle = requestIdleCallback(() => import("../../viewer/pane.js").catch(() => null));
    return () => cancelIdleCallback(idle);
  }, [isHere]);
}

// A link of a row gets the focus; J and K move it. While somebody types, letters are letters.
function useKeys(table, finder) {
  useEffect(() => {
    const onKey = (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
      if (isTyping) return;
      const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
      if (event.key === "/") finder.current?.focus();
      else if (step) move(table.current, step);
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}

function move(table, step) {
  const links = [...(table?.querySelectorAll("[data-open]") || [])];
  const at = links.indexOf(document.activeElement);
  const next = links[at < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + step))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

const HEADS = ["urgency", "patient", "clinic", "exam", "images", "state", "due", "reader"];

function Row({ read: r, now, mayOpen }) {
  const name = personName(r.patient.name);
  const cells = [
    html`<${Urgency} read=${r} />`,
    html`${mayOpen ? html`<a data-open href="#/reads/${r.read}">${name}</a>` : html`<b data-open tabindex="0">${name}</b>`}
      <span class="line quiet">${sexAge(r.patient)}</span>`,
    r.clinic || r.tenant,
    html`<span class="line">${examText(r)}</span>${r.complaint && html`<span class="line quiet">${r.complaint}</span>`}`,
    html`<${Images} read=${r} />`,
    html`<${State} read=${r} />${r.is_preliminary && r.state !== "preliminary" && html` <${Mark} colour="amber">${say("provisional")}<//>`}`,
    html`<${Due} read=${r} now=${now} />`,
    html`<${Reader} read=${r} />`,
  ];
  return html`<tr class=${r.urgency} data-read=${r.read} data-study=${r.study}>${cells.map((cell, i) => html`<td data-label=${say(HEADS[i])}>${cell}</td>`)}</tr>`;
}

function Filters({ filter, set, modalities, finder }) {
  const on = (name) => (event) => set({ ...filter, [name]: event.target.type === "checkbox" ? event.target.checked : event.target.value });
  return html`<div class="filters" role="search">
    <label>${say("show")} <select name="show" value=${filter.show} onChange=${on("show")}>
      ${Object.keys(SHOWS).map((s) => html`<option value=${s} selected=${s === filter.show}>${say(`show_${s}`)}</option>`)}</select></label>
    <label>${say("modality")} <select name="modality" value=${filter.modality} onChange=${on("modality")}>
      <option value="">${say("any")}</option>${modalities.map((m) => html`<option value=${m} selected=${m === filter.modality}>${m}</option>`)}</select></label>
    <label>${say("find")} <input ref=${finder} name="find" type="search" value=${filter.find} placeholder=${say("find_hint")} onInput=${on("find")} /></label>
    ${hasRole("doctor", "reviewer") && html`<label class="tick"><input name="mine" type="checkbox" checked=${filter.mine} onChange=${on("mine")} /> ${say("mine")}</label>`}
  </div>`;
}

const isMine = (r) => [r.assigned_to, r.claimed_by].some((who) => who?.login === user.value?.login);

function matches(r, filter) {
  const text = [r.patient.name, r.patient.on_images, r.patient.id, r.clinic, examText(r), r.complaint].join(" ").toLowerCase();
  return SHOWS[filter.show](r) && (!filter.modality || r.modality === filter.modality) && (!filter.mine || isMine(r)) &&
    text.includes(filter.find.trim().toLowerCase());
}

export default function Worklist() {
  const { list, wrong, isLive } = useWorklist();
  const now = useMinute();
  const table = useRef(null);
  const finder = useRef(null);
  const [filter, setFilter] = useState({ show: kept("worklist.show") in SHOWS ? kept("worklist.show") : "open", modality: "", mine: false, find: "" });
  const set = (next) => {
    keep("worklist.show", next.show);
    setFilter(next);
  };
  useKeys(table, finder);
  useReadingAhead(list !== null);
  const shown = useMemo(() => (list || []).filter((r) => matches(r, filter)).sort(byUrgency), [list, filter]);
  const modalities = [...new Set((list || []).map((r) => r.modality).filter(Boolean))].sort();
  const mayOpen = hasRole("technician", "doctor", "reviewer", "supervisor");
  return html`<main id="content" tabindex="-1" class="worklist">
    <div class="over"><h1>${say("worklist")}</h1><span class="quiet" role="status">${list && say("count", shown.length)}</span>
      <span class="grow"></span>${mayOpen ? html`<span class="quiet keys">${say("keys")}</span>` : html`<span class="quiet">${say("only_course")}</span>`}</div>
    <${Notice} kind="bad">${wrong}<//>
    ${list && !isLive && html`<${Notice} kind="warn">${say("is_old")}<//>`}
    <${Filters} filter=${filter} set=${set} modalities=${modalities} finder=${finder} />
    ${list && shown.length === 0 && html`<p class="quiet empty">${say("no_reads")}</p>`}
    ${shown.length > 0 && html`<table class="reads" ref=${table}>
      <caption class="unseen">${say("worklist")}</caption>
      <thead><tr>${HEADS.map((head) => html`<th scope="col">${say(head)}</th>`)}</tr></thead>
      <tbody>${shown.map((r) => html`<${Row} key=${r.read} read=${r} now=${now} mayOpen=${mayOpen} />`)}</tbody>
    </table>`}
  </main>`;
}
