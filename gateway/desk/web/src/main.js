// main.js - the desk: lamps on top, then today's studies, the registered patients, or the reports that came back.
import { render } from "preact";
import { html } from "htm/preact";
import { effect } from "@preact/signals";
import { Register } from "./register.js";
import { Reports, waiting } from "./reports.js";
import { follow, isOld, place, state } from "./state.js";
import { Studies } from "./studies.js";
import { clockTime, language, say, swapLanguage } from "./words.js";

const LAMPS = ["devices", "line", "disk", "clock", "certificate"];
const PLACES = { studies: Studies, register: Register, reports: Reports };

function Lamp({ name, lamp }) {
  return html`<li class="lamp ${lamp.colour}">
    <span class="dot" aria-hidden="true"></span>
    <span><b>${say(name)}</b><span class="word">${say(lamp.word, lamp)}</span></span>
  </li>`;
}

function Tabs({ now, at }) {
  const count = waiting(now.reports || []);
  return html`<nav class="tabs" aria-label=${say("menu")}>${Object.keys(PLACES).map((name) => html`<a href="#/${name}" aria-current=${name === at ? "page" : undefined}>
    ${say(`tab_${name}`)}${name === "reports" && count > 0 ? html` <span class="count">${say("new_reports", count)}</span>` : ""}</a>`)}</nav>`;
}

function Desk() {
  const now = state.value;
  const at = place.value in PLACES ? place.value : "studies";
  if (now === null) return html`<main aria-busy="true"></main>`;
  return html`<header>
      <h1>影驿 ${say("title")}</h1>
      <span class="quiet">${now.clinic || now.gateway} · ${say("updated")} ${clockTime(now.now_us)}</span>
      <button onClick=${swapLanguage} lang=${language.value === "zh" ? "en" : "zh-CN"}>${say("other")}</button>
    </header>
    ${isOld.value && html`<p class="old" role="alert">${say("offline")}</p>`}
    ${now.set_aside > 0 && html`<p class="old" role="alert">${say("set_aside", now.set_aside)}</p>`}
    ${["down", "refused"].includes(now.reader?.word) && html`<p class="old" role="alert">${say(`reader_${now.reader.word}`, now.reader)}</p>`}
    <main>
      <section aria-label=${say("lamps")}>
        <ul class="lamps">${LAMPS.map((name) => html`<${Lamp} name=${name} lamp=${now.lamps[name]} />`)}</ul>
      </section>
      <${Tabs} now=${now} at=${at} />
      <${PLACES[at]} now=${now} />
    </main>`;
}

effect(() => {
  document.documentElement.lang = language.value === "zh" ? "zh-CN" : "en";
});
render(html`<${Desk} />`, document.getElementById("desk"));
follow();
