// calls.js - doctors' calls: a critical finding sounds until somebody says that it was heard, and stays red until it was
// read back; a repeat is promised or refused with a reason.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { signal } from "@preact/signals";
import { Dialog, Field, Mark, Work, Wrong } from "./parts.js";
import { post } from "./state.js";
import { fullTime, say } from "./words.js";

export const open = (calls) => calls.filter((c) => !c.outcome);

// ---- the sound: two tones, every few seconds. A browser gives sound only after somebody touched the page once. ----

const EVERY_MS = 3000;
export const isSilent = signal(true); // true: the browser would not let it sound
let audio = null;

function ready() {
  audio = audio || new AudioContext();
  // A little later: nothing on the page may move between a finger's down and up.
  const tell = () => setTimeout(() => (isSilent.value = audio.state !== "running"), 600);
  audio.onstatechange = tell;
  return audio.resume().then(tell, tell);
}
for (const kind of ["pointerdown", "touchend", "click", "keydown"]) addEventListener(kind, () => isSilent.value && ready(), { passive: true });

function beep() {
  if (!audio || audio.state !== "running") return;
  for (const [hertz, at] of [[880, 0], [660, 0.35], [880, 0.7]]) {
    const tone = audio.createOscillator();
    const loud = audio.createGain();
    tone.frequency.value = hertz;
    loud.gain.setValueAtTime(0.0001, audio.currentTime + at);
    loud.gain.exponentialRampToValueAtTime(0.6, audio.currentTime + at + 0.02);
    loud.gain.exponentialRampToValueAtTime(0.0001, audio.currentTime + at + 0.3);
    tone.connect(loud).connect(audio.destination);
    tone.start(audio.currentTime + at);
    tone.stop(audio.currentTime + at + 0.32);
  }
}

// Sounds as long as it stands on the page; says so when the browser keeps it silent.
export function Alarm({ sounding, isSignedIn }) {
  useEffect(() => {
    if (!sounding) return undefined;
    const title = document.title;
    document.title = `🔴 ${say("call_critical")}`;
    beep();
    const timer = setInterval(beep, EVERY_MS);
    return () => {
      clearInterval(timer);
      document.title = title;
    };
  }, [sounding > 0]);
  if (!sounding) return null;
  return html`<p class="old alarm" role="alert"><b>${say("call_sounding", sounding)}</b> ${isSignedIn ? html`<a href="#/calls">${say("call_go")}</a>` : say("call_sign_in")}
    ${isSilent.value && html` <button type="button" onClick=${ready}>${say("sound_blocked")}</button>`}</p>`;
}

// Before the first call: is there sound at all? A small line, with a trial.
export function Sound() {
  const trial = async () => {
    await ready();
    beep();
  };
  return html`<button type="button" class=${isSilent.value ? "sound off" : "sound"} onClick=${trial}>${say(isSilent.value ? "sound_off" : "sound_on")}</button>`;
}

// ---- the calls ----

function Answer({ call, outcome, onClose }) {
  const [words, setWords] = useState("");
  const [wrong, setWrong] = useState("");
  const send = async () => {
    await post(`calls/${call.call}/answer`, { outcome, words: words.trim() });
    onClose();
  };
  return html`<${Dialog} title=${say(`call_${outcome}`)} onClose=${onClose}>
    <p><b>${call.patient || "?"}</b> ${call.modality}</p>
    <p>${call.words}</p>
    <${Wrong}>${wrong}<//>
    <${Field} label=${say(`call_${outcome}_words`)} hint=${outcome === "read_back" ? say("read_back_how") : undefined} name="words" value=${words} onInput=${setWords} maxlength="200" />
    <div class="quick"><${Work} class="primary" disabled=${words.trim() === ""} onError=${setWrong} onClick=${send}>${say("call_send")}<//>
      <button type="button" onClick=${onClose}>${say("shut")}</button></div>
  <//>`;
}

function Call({ call }) {
  const [asked, setAsked] = useState("");
  const [wrong, setWrong] = useState("");
  const isCritical = call.kind === "critical";
  const colour = call.outcome ? "green" : isCritical ? "red" : "amber";
  return html`<li class="study ${colour}" data-call=${call.call}>
    <div class="what"><b>${call.patient || "?"}</b><span class="quiet">${call.modality} · ${fullTime(call.at_us)}</span></div>
    <div class="how">
      <span class="marks"><${Mark} colour=${colour}>${say(isCritical ? "call_critical" : "call_repeat")}<//>
        ${call.is_on_preview && html`<${Mark} colour="amber">${say("on_preview")}<//>`}</span>
      <span class="call-words">${call.words}</span>
      <span class="quiet">${[call.author, call.hospital].filter(Boolean).join(" · ")}</span>
      ${call.outcome && html`<span>${say(`was_${call.outcome}`, call)}${call.answer ? `：${call.answer}` : ""}</span>`}
      <${Wrong}>${wrong}<//>
    </div>
    <div class="may">
      ${isCritical && !call.heard_us && html`<${Work} class="danger" onError=${setWrong} onClick=${() => post(`calls/${call.call}/heard`)}>${say("call_heard")}<//>`}
      ${!call.outcome && (isCritical ? html`<button type="button" class="primary" onClick=${() => setAsked("read_back")}>${say("call_read_back")}</button>`
        : html`<button type="button" class="primary" onClick=${() => setAsked("will_repeat")}>${say("call_will_repeat")}</button>
          <button type="button" onClick=${() => setAsked("cannot_repeat")}>${say("call_cannot_repeat")}</button>`)}
    </div>
    ${asked && html`<${Answer} call=${call} outcome=${asked} onClose=${() => setAsked("")} />`}
  </li>`;
}

// What the centre says in words: nothing is to be answered here. The newest.
const Notice = ({ notice, registrations }) => {
  const whose = registrations.find((r) => r.registration === notice.registration);
  return html`<li class="study" data-notice=${notice.id}>
    <div class="what"><b>${whose ? whose.name : notice.registration}</b><span class="quiet">${fullTime(notice.at_us)}</span></div>
    <div class="how"><span class="call-words">${notice.words}</span></div></li>`;
};

function Notices({ now }) {
  const notices = now.notices || [];
  if (notices.length === 0) return null;
  return html`<section aria-labelledby="notices"><h2 id="notices">${say("notices")}</h2>
    <ul class="studies">${notices.map((n) => html`<${Notice} key=${n.id} notice=${n} registrations=${now.registrations || []} />`)}</ul></section>`;
}

// A way to try the sound before it is needed stands on this page; what needs an answer comes first.
export function Calls({ now }) {
  const calls = now.calls || [];
  return html`<section aria-labelledby="calls">
    <div class="line"><h2 id="calls">${say("calls")}</h2><${Sound} /></div>
    ${calls.length === 0 && html`<p class="quiet">${say("no_calls")}</p>`}
    <ul class="studies">${calls.map((call) => html`<${Call} key=${call.call} call=${call} />`)}</ul>
  </section><${Notices} now=${now} />`;
}
