// main.js - the desk: lamps on top, today's studies below, whoever was refused last.
import { render } from "preact";
import { html } from "htm/preact";
import { effect } from "@preact/signals";
import { clockTime, language, say, swapLanguage } from "./words.js";
import { closeStudy, follow, isOld, state } from "./state.js";

const LAMPS = ["devices", "line", "disk", "clock", "certificate"];

function Lamp({ name, lamp }) {
  return html`<li class="lamp ${lamp.colour}">
    <span class="dot" aria-hidden="true"></span>
    <span><b>${say(name)}</b><span class="word">${say(lamp.word, lamp)}</span></span>
  </li>`;
}

function Study({ study }) {
  const n = study.counts;
  const s = { ...study, at_centre: n.held + n.sealed + n.duplicate };
  const colour = s.is_safe_to_delete ? "green" : s.word === "attention" ? "red" : "grey";
  return html`<li class="study ${colour}">
    <div class="what">
      <b>${s.modality || "?"} ${s.body_part}</b>
      <span class="quiet">${s.device} · ${clockTime(s.first_arrival_us)}</span>
    </div>
    <div class="how">
      <span>${say("images", s)}</span>
      <span class="quiet">${say(s.word, s)}</span>
    </div>
    <div class="may">
      <span class="verdict ${colour}">${s.is_safe_to_delete ? "✓ " : ""}${say(s.is_safe_to_delete ? "delete_yes" : "delete_no")}</span>
      ${!s.is_closed && s.word !== "receiving" && html`<button onClick=${() => closeStudy(s.study)}>${say("close")}</button>`}
    </div>
  </li>`;
}

function Refused({ list }) {
  if (list.length === 0) return null;
  return html`<section aria-labelledby="refused">
    <h2 id="refused">${say("refused")}</h2>
    <p class="quiet">${say("refused_why")}</p>
    <ul class="rows">${list.map((r) => html`<li class="row">
      <b>${r.calling}</b><span>${r.address}</span><span>${say("times", r.count)} · ${clockTime(r.last_us)}</span>
      ${r.is_called_wrong && html`<span>${say("called_wrong", r)}</span>`}
    </li>`)}</ul>
  </section>`;
}

function Desk() {
  const now = state.value;
  if (now === null) return html`<main aria-busy="true"></main>`;
  return html`<header>
      <h1>影驿 ${say("title")}</h1>
      <span class="quiet">${now.gateway} · ${say("updated")} ${clockTime(now.now_us)}</span>
      <button onClick=${swapLanguage} lang=${language.value === "zh" ? "en" : "zh-CN"}>${say("other")}</button>
    </header>
    ${isOld.value && html`<p class="old" role="alert">${say("offline")}</p>`}
    ${now.set_aside > 0 && html`<p class="old" role="alert">${say("set_aside", now.set_aside)}</p>`}
    <main>
      <section aria-label=${say("lamps")}>
        <ul class="lamps">${LAMPS.map((name) => html`<${Lamp} name=${name} lamp=${now.lamps[name]} />`)}</ul>
      </section>
      <section aria-labelledby="studies">
        <h2 id="studies">${say("studies")}</h2>
        ${now.studies.length === 0 && html`<p class="quiet">${say("none")}</p>`}
        <ul class="studies">${now.studies.map((study) => html`<${Study} key=${study.study} study=${study} />`)}</ul>
        ${now.older > 0 && html`<p class="quiet">${say("older", now.older)}</p>`}
      </section>
      <${Refused} list=${now.refused} />
    </main>`;
}

effect(() => {
  document.documentElement.lang = language.value === "zh" ? "zh-CN" : "en";
});
render(html`<${Desk} />`, document.getElementById("desk"));
follow();
