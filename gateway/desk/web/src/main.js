// main.js - the desk: lamps on top, then what there is to do, for whoever is signed in.
import { render } from "preact";
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { effect } from "@preact/signals";
import { Account } from "./account.js";
import { Alarm, Calls, open as openCalls } from "./calls.js";
import { Devices } from "./devices.js";
import { Door } from "./door.js";
import { Doubts, openDoubts } from "./doubts.js";
import { refusedCount } from "./handover.js";
import { Imports, waitingFiles } from "./imports.js";
import { Orders } from "./orders.js";
import { Register } from "./register.js";
import { Reports } from "./reports.js";
import { Work, Wrong } from "./parts.js";
import { door, follow, isOld, me, place, post, state } from "./state.js";
import { Studies } from "./studies.js";
import { clockTime, language, say, shortTime, swapLanguage } from "./words.js";

const LAMPS = ["parts", "devices", "targets", "line", "disk", "clock", "certificate", "centre", "version", "his_orders"]; // parts only while one does not run, targets only while there is a mistake in their table, the last where orders are fetched, or a message of the HIS was not done
const works = (who) => who.may_work;
const PLACES = [
  { name: "studies", Page: Studies, may: () => true },
  { name: "register", Page: Register, may: works },
  { name: "orders", Page: Orders, may: works },
  { name: "reports", Page: Reports, may: works, count: (now) => (now.reports_unconfirmed || 0) + refusedCount(now), said: "new_reports" },
  { name: "calls", Page: Calls, may: works, count: (now) => openCalls(now.calls || []).length, said: "unanswered" },
  { name: "doubts", Page: Doubts, may: works, count: openDoubts, said: "open_doubts" },
  { name: "imports", Page: Imports, may: works, count: waitingFiles, said: "waiting_n" },
  { name: "devices", Page: Devices, may: () => true, count: (now) => now.unsent.length + now.strangers.length, said: "look_at" },
];

// When each device sent its last image, the one that has been silent for longest at the end.
const DEVICES = 6;
function LastImages({ devices }) {
  const list = [...devices].sort((a, b) => b.last_store_us - a.last_store_us);
  return html`${list.slice(0, DEVICES).map((d) => html`<span class="word quiet last" data-last=${d.ae}>${d.name || d.ae}: ${d.last_store_us ? say("last_image", shortTime(d.last_store_us)) : say("no_image_yet")}</span>`)}
    ${list.length > DEVICES && html`<span class="word quiet last">${say("devices_more", list.length - DEVICES)}</span>`}`;
}

// A coding that was not its image: the lamp is red until somebody says that it was seen.
function ProofSeen({ lamp }) {
  const [wrong, setWrong] = useState("");
  return html`<${Work} onError=${setWrong} onClick=${() => post("alarms/proofs/seen", { count: lamp.proofs_failed })}>${say("alarm_seen")}<//><${Wrong}>${wrong}<//>`;
}

// A green lamp is its name alone until somebody asks for all of it; amber and red always say what to do.
function Lamps({ now }) {
  const [isOpen, setOpen] = useState(false);
  return html`<section aria-label=${say("lamps")}>
    <ul class="lamps ${isOpen ? "open" : ""}">${LAMPS.filter((name) => now.lamps[name]).map((name) => html`<${Lamp} name=${name} lamp=${now.lamps[name]} devices=${name === "devices" ? now.devices : null} isHeldBack=${Boolean(now.lamps.targets)} />`)}
      ${(now.lamps.archives || []).map((l) => html`<${Lamp} key=${`archive ${l.name}`} name="archive" lamp=${l} />`)}
      <li class="more"><button type="button" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>${say("lamps_all")}</button></li></ul>
  </section>`;
}

// isHeldBack: there are images that are to go nowhere for now, and wait for no line.
function Lamp({ name, lamp, devices, isHeldBack }) {
  return html`<li class="lamp ${lamp.colour}">
    <span class="dot" aria-hidden="true"></span>
    <span><b>${say(name, lamp)}</b><span class="word">${isHeldBack && lamp.word === "LINE_UP" && !lamp.waiting ? say("line_up") : say(lamp.word, lamp)}</span>
      ${(lamp.parts || []).map((p) => html`<span class="word">${say(`part_${p.part}`)}</span><span class="word quiet">${p.trouble}</span>`)}
      ${(["DEVICES_TABLE", "TARGETS_TABLE"].includes(lamp.word) || name === "archive") && lamp.trouble && html`<span class="word quiet">${lamp.trouble}</span>`}
      ${devices && html`<${LastImages} devices=${devices} />`}
      ${lamp.word === "LINE_PROOF" && works(me.value) && html`<${ProofSeen} lamp=${lamp} />`}
      ${lamp.is_table_wrong && lamp.word !== "LINE_TABLE" && html`<span class="word">${say("line_table")}</span>`}
      ${(lamp.lines || []).map((l) => html`<span class="word quiet">${l.name}: ${say(`line_now_${l.state}`)}${l.state === "up" ? ` · ${say(l.is_choked ? "line_choked" : l.is_serving ? "line_serves" : "line_waits")}` : ""}</span>`)}</span>
  </li>`;
}

function Tab({ tab, now, at }) {
  const count = tab.count ? tab.count(now) : 0;
  return html`<a href="#/${tab.name}" aria-current=${tab.name === at ? "page" : undefined}>
    ${say(`tab_${tab.name}`)}${count > 0 ? html` <span class="count" title=${say(tab.said, count)}>${count}</span>` : ""}</a>`;
}

const Language = () => html`<button onClick=${swapLanguage} lang=${language.value === "zh" ? "en" : "zh-CN"}>${say("other")}</button>`;

function Closed() {
  return html`<header><h1>影驿 ${say("title")}</h1><${Language} /></header>
    ${isOld.value && html`<p class="old" role="alert">${say("offline")}</p>`}
    <${Alarm} sounding=${me.value === null ? door.value.sounding : 0} />
    <main>${me.value === null && html`<${Door} />`}</main>`;
}

function Desk() {
  const now = state.value;
  if (!me.value) return html`<${Closed} />`;
  if (now === null) return html`<main aria-busy="true"></main>`;
  const tabs = PLACES.filter((p) => p.may(me.value));
  const isAccount = place.value === "account";
  const at = tabs.find((p) => p.name === place.value) || tabs[0];
  return html`<header>
      <h1>影驿 ${say("title")}</h1>
      <span class="quiet">${now.clinic || now.gateway} · ${say("updated")} ${clockTime(now.now_us)}</span>
      <a class="button" href="#/account" aria-current=${isAccount ? "page" : undefined}>${me.value.name}</a>
      <${Language} />
    </header>
    ${isOld.value && html`<p class="old" role="alert">${say("offline")}</p>`}
    <${Alarm} sounding=${now.sounding} isSignedIn=${true} />
    ${now.set_aside > 0 && html`<p class="old" role="alert">${say(works(me.value) ? "set_aside" : "set_aside_service", now.set_aside)}</p>`}
    ${["down", "refused"].includes(now.reader?.word) && html`<p class="old" role="alert">${say(`reader_${now.reader.word}`, now.reader)}</p>`}
    <main>
      <${Lamps} now=${now} />
      <nav class="tabs" aria-label=${say("menu")}>${tabs.map((tab) => html`<${Tab} tab=${tab} now=${now} at=${isAccount ? "" : at.name} />`)}</nav>
      ${isAccount ? html`<${Account} />` : html`<${at.Page} now=${now} />`}
    </main>`;
}

effect(() => {
  document.documentElement.lang = language.value === "zh" ? "zh-CN" : "en";
});
render(html`<${Desk} />`, document.getElementById("desk"));
follow();
