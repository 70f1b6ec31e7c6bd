// register.js - the patient at the desk: who, what for, which phone; then the slip, the phone's code, urgency.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { signal } from "@preact/signals";
import { read as readCitizenId, tidy } from "./citizen_id.js";
import { Correct } from "./correct.js";
import { Find, PAGE, Pages, useFound } from "./found.js";
import { Dialog, Field, Mark, sentence, Sure, Work, Wrong } from "./parts.js";
import { ageOf, isPhone, isRead, MODALITIES, personFull, plainDay, plainPhone, readState, sexWord } from "./people.js";
import { Slip } from "./slip.js";
import { Stat } from "./stat.js";
import { me, post } from "./state.js";
import { knows, say, shortTime } from "./words.js";

const COMPLAINTS = ["complaint_cough", "complaint_chest", "complaint_injury", "complaint_head"];
// Side and view are asked for in the words the doctor reads with the complaint: what the device writes into its images
// (0020,0060 and 0018,5101) stays the device's.
const SIDES = ["", "L", "R", "B"];
const VIEWS = ["", "AP", "PA", "LAT", "AP_LAT", "OBL", "AXIAL"];
const HAS_SIDES = ["DX", "CR", "MG", "CT", "MR", "US"];
const HAS_VIEWS = ["DX", "CR", "MG"];
const CONSENTS = ["", "patient", "family", "emergency"];
const EMPTY = { side: "", view: "", consent: "", name: "", citizen_id: "", sex: "", birth: "", phone: "", complaint: "", history: "", modality: "", urgent: false, urgent_reason: "" };

// What is being typed outlives a look at another page, a call that is answered, the end of the session: for who types it.
const typed = signal({ login: "", fields: EMPTY });

function useTyped() {
  const { login } = me.value;
  const now = () => (typed.value.login === login ? typed.value.fields : EMPTY);
  return [now(), (next) => (typed.value = { login, fields: typeof next === "function" ? next(now()) : next })];
}

const HOUR_US = 3600e6;
// Very likely the same request once more: a second press, or a colleague was quicker.
const twin = (f, registrations, now_us) => registrations.find((r) => r.name === f.name.trim() && r.sex === f.sex && plainDay(r.birth) === f.birth
  && r.modality === f.modality && now_us - r.created_us < 12 * HOUR_US && !isRead(r));

function faultsOf(f) {
  const faults = {};
  const id = readCitizenId(f.citizen_id);
  if (f.name.trim() === "") faults.name = "need_name";
  if (id.fault) faults.citizen_id = id.fault;
  if (!f.sex) faults.sex = "need_sex";
  if (!f.birth) faults.birth = "need_birth";
  if (f.phone.trim() !== "" && !isPhone(f.phone)) faults.phone = "bad_phone";
  if (f.complaint.trim() === "") faults.complaint = "need_complaint";
  if (!f.modality) faults.modality = "need_modality";
  if (f.urgent && f.urgent_reason.trim() === "") faults.urgent_reason = "need_reason";
  return faults;
}

// [左侧 正侧位] 外伤
function asked(f) {
  const words = [HAS_SIDES.includes(f.modality) && f.side && say(`side_${f.side}`), HAS_VIEWS.includes(f.modality) && f.view && say(`view_${f.view}`)].filter(Boolean).join(" ");
  return words ? `[${words}] ${f.complaint.trim()}` : f.complaint.trim();
}

const history = (f) => [f.history.trim(), f.consent && `[${say("consent")}: ${say(`consent_${f.consent}`)}]`].filter(Boolean).join(" ");

function Complaint({ fields, set, error }) {
  const add = (word) => set({ complaint: [fields.complaint.trim(), say(word)].filter(Boolean).join("，") });
  return html`<div class="wide">
    <${Field} label=${say("complaint")} name="complaint" value=${fields.complaint} error=${error} maxlength="500" onInput=${(v) => set({ complaint: v })} />
    <div class="quick" role="group" aria-label=${say("complaint")}>${COMPLAINTS.map((word) => html`<button type="button" onClick=${() => add(word)}>${say(word)}</button>`)}</div>
  </div>`;
}

// Images of this patient overtake all others: the reader is told why.
const REASONS = ["complaint_chest", "complaint_injury", "complaint_head"];
function Reason({ fields, set, error }) {
  return html`<div class="wide">
    <${Field} label=${say("urgent_reason")} name="urgent_reason" value=${fields.urgent_reason} error=${error} maxlength="200" onInput=${(v) => set({ urgent_reason: v })} />
    <div class="quick" role="group" aria-label=${say("urgent_reason")}>${REASONS.map((word) => html`<button type="button" onClick=${() => set({ urgent_reason: say(word) })}>${say(word)}</button>`)}</div>
  </div>`;
}

function Form({ onMade, registrations, n, now_us }) {
  const [fields, setFields] = useTyped();
  const [again, setAgain] = useState(null); // the registration that is there already
  const [isBusy, setBusy] = useState(false);
  const [faults, setFaults] = useState({});
  const [wrong, setWrong] = useState("");
  const set = (change) => {
    setFields((old) => ({ ...old, ...change }));
    setFaults((old) => Object.fromEntries(Object.entries(old).filter(([name]) => !(name in change))));
  };
  const told = (name) => faults[name] && say(faults[name]);
  const onId = (typed) => {
    const id = readCitizenId(typed);
    set({ citizen_id: typed, ...(id.birth ? { birth: id.birth, sex: id.sex } : {}) });
    setFaults((old) => ({ ...old, citizen_id: tidy(typed).length >= 18 ? id.fault : undefined }));
  };
  const submit = async (event) => {
    event.preventDefault();
    const found = faultsOf(fields);
    setFaults(found);
    setWrong("");
    if (Object.keys(found).length > 0) return document.getElementById(`field-${Object.keys(found)[0]}`)?.focus();
    const there = twin(fields, await ofThisName(), now_us);
    if (there) return setAgain(there);
    await send();
  };
  // Those listed are not all; without an answer those listed will do.
  const ofThisName = async () => {
    if (n <= registrations.length) return registrations;
    setBusy(true);
    return post("registrations/find", { text: fields.name.trim(), skip: 0 }).then((found) => found.registrations, () => registrations).finally(() => setBusy(false));
  };
  const send = async () => {
    setBusy(true);
    try {
      const { side, view, consent, urgent_reason, ...plain } = fields;
      const made = await post("registrations", { ...plain, complaint: asked(fields), history: history(fields), reason: fields.urgent ? urgent_reason.trim() : "", name: fields.name.trim(), citizen_id: tidy(fields.citizen_id),
        birth: fields.birth.replace(/-/g, ""), phone: plainPhone(fields.phone) });
      setFields(EMPTY);
      onMade(made.registration);
    } catch (error) {
      setWrong(sentence(error));
    } finally {
      setBusy(false);
      setAgain(null);
    }
  };
  const on = (name) => (value) => set({ [name]: value });
  return html`<form class="register" onSubmit=${submit} novalidate>
    <h2>${say("register")}</h2>
    <${Wrong}>${wrong}<//>
    <div class="columns">
      <${Field} label=${say("name")} name="name" value=${fields.name} onInput=${on("name")} error=${told("name")} autocomplete="off" maxlength="64" />
      <${Field} label=${say("citizen_id")} hint=${say("citizen_id_hint")} name="citizen_id" value=${fields.citizen_id} onInput=${onId} error=${told("citizen_id")} autocomplete="off" maxlength="24" />
      <${Field} label=${say("sex")} name="sex" value=${fields.sex} onInput=${on("sex")} error=${told("sex")}
        options=${[["", say("choose")], ["M", say("male")], ["F", say("female")], ["O", say("sex_other")]]} />
      <${Field} label=${say("birth")} name="birth" kind="date" value=${fields.birth} onInput=${on("birth")} error=${told("birth")} />
      <${Field} label=${say("phone")} hint=${say("phone_hint")} name="phone" kind="tel" value=${fields.phone} onInput=${on("phone")} error=${told("phone")} autocomplete="off" maxlength="24" />
      <${Field} label=${say("modality")} name="modality" value=${fields.modality} onInput=${on("modality")} error=${told("modality")}
        options=${[["", say("choose")], ...MODALITIES.map((m) => [m, say(`modality_${m}`)])]} />
      ${HAS_SIDES.includes(fields.modality) && html`<${Field} label=${say("side")} name="side" value=${fields.side} onInput=${on("side")} options=${SIDES.map((v) => [v, v ? say(`side_${v}`) : say("as_needed")])} />`}
      ${HAS_VIEWS.includes(fields.modality) && html`<${Field} label=${say("view")} name="view" value=${fields.view} onInput=${on("view")} options=${VIEWS.map((v) => [v, v ? say(`view_${v}`) : say("as_needed")])} />`}
      <${Complaint} fields=${fields} set=${set} error=${told("complaint")} />
      <${Field} label=${say("history")} name="history" value=${fields.history} onInput=${on("history")} maxlength="500" />
      <${Field} label=${say("consent")} hint=${say("consent_hint")} name="consent" value=${fields.consent} onInput=${on("consent")} options=${CONSENTS.map((v) => [v, v ? say(`consent_${v}`) : say("consent_none")])} />
      <label class="tick stat"><input type="checkbox" name="urgent" checked=${fields.urgent} onChange=${(event) => set({ urgent: event.target.checked })} /> ${say("urgent")}</label>
      ${fields.urgent && html`<${Reason} fields=${fields} set=${set} error=${told("urgent_reason")} />`}
    </div>
    <button type="submit" class="primary" disabled=${isBusy}>${say("register_do")}</button>
  </form>
  ${again && html`<${Sure} title=${say("register_again")} words=${say("register_again_how", { who: personFull(again), at: shortTime(again.created_us), modality: say(`modality_${again.modality}`) })} onDo=${send} onClose=${() => setAgain(null)} />`}`;
}

// The phone is the patient's when the code sent to it is said at the desk.
function Phone({ r, onClose }) {
  const [otp, setOtp] = useState("");
  const [wrong, setWrong] = useState("");
  const word = `phone_${r.phone_state}`;
  return html`<${Dialog} title=${say("phone_check")} onClose=${onClose}>
    <p>${r.name} · <b>${r.phone}</b></p>
    <${Wrong}>${wrong}<//>
    ${r.phone_state && knows(word) && html`<p role="status"><${Mark} colour=${r.phone_state === "verified" ? "green" : "grey"}>${say(word)}<//></p>`}
    ${r.phone_state !== "verified" && html`<p><${Work} onError=${setWrong} onClick=${() => post(`registrations/${r.registration}/phone-code`)}>${say("phone_send")}<//></p>
      <${Field} label=${say("otp")} hint=${say("otp_hint")} name="otp" value=${otp} onInput=${setOtp} inputmode="numeric" autocomplete="off" maxlength="8" />`}
    <div class="quick">
      ${r.phone_state !== "verified" && html`<${Work} class="primary" disabled=${otp.trim() === ""} onError=${setWrong}
        onClick=${() => post(`registrations/${r.registration}/phone-check`, { code: otp.normalize("NFKC").replace(/\D/g, "") })}>${say("check")}<//>`}
      <button type="button" onClick=${onClose}>${say("shut")}</button>
    </div>
  <//>`;
}

// Those that are to come, or one that is here, is an emergency.
const isStatOf = (r, studies) => r.is_urgent || studies.some((s) => s.is_stat && s.registration === r.registration);

function Registered({ r, open, studies }) {
  const study = studies.find((s) => s.study === r.study);
  const isStat = isStatOf(r, studies);
  return html`<li class="study ${isStat ? "red" : "grey"}" data-registration=${r.registration}>
    <div class="what"><b>${r.name}</b><span class="quiet">${sexWord(r.sex)} ${ageOf(r.birth)} · ${plainDay(r.birth)} · ${shortTime(r.created_us)}</span></div>
    <div class="how">
      <span>${say(`modality_${r.modality}`)} · ${r.complaint}</span>
      <span class="quiet">${r.accession} · ${study ? say("images", study) : say(r.study ? "has_study" : "no_study")}${r.is_told === false ? ` · ${say("untold")}` : ""}</span>
      <span class="marks">${isStat && html`<${Mark} colour="red">${say("is_urgent")}<//>`}
        ${r.phone ? html`<${Mark} colour=${r.phone_state === "verified" ? "green" : "grey"}>${say(r.phone_state === "verified" ? "phone_verified" : "phone_unverified")}<//>` : html`<${Mark} colour="grey">${say("no_phone")}<//>`}
        ${r.slip_us > 0 && html`<${Mark} colour="green">${say("slip_printed")}<//>`} ${readState(r)}
        ${r.refused && html`<${Mark} colour="red">${say("is_refused", r.refused)}<//>`}</span>
    </div>
    <div class="may">
      <button type="button" onClick=${() => open("slip", r)}>${say(r.slip_us > 0 ? "slip_again" : "slip_print")}</button>
      ${r.phone && r.phone_state !== "verified" && html`<button type="button" onClick=${() => open("phone", r)}>${say("phone_check")}</button>`}
      <button type="button" onClick=${() => open("correct", r)}>${say("correct")}</button>
      ${!isRead(r) && html`<button type="button" class=${isStat ? "" : "danger"} onClick=${() => open("urgent", r)}>${say(isStat ? "stat_back" : "stat")}</button>`}
    </div>
  </li>`;
}

// From elsewhere: this one's row, with all that is done for a patient.
const sought = signal("");
export function lookUp(registration) {
  sought.value = registration;
  location.hash = "#/register";
}

export function Register({ now }) {
  const registrations = now.registrations || [];
  const n = now.registrations_n || 0;
  const [first] = useState(sought.value);
  const [looked, setLooked] = useState(first ? { text: first, skip: 0 } : null); // null: the newest, which the state has
  const [wrong, setWrong] = useState("");
  const found = useFound("registrations/find", looked, now.change, setWrong);
  const said = looked ? found : { registrations: registrations.slice(0, PAGE), registrations_n: n };
  const [asked, setAsked] = useState(null); // {what, registration}
  const [made, setMade] = useState("");
  const close = () => setAsked(null);
  const r = asked && said?.registrations.find((one) => one.registration === asked.registration);
  const go = (text, skip) => {
    setWrong("");
    setLooked(text || skip > 0 ? { text, skip } : null);
  };
  useEffect(() => {
    sought.value = "";
    if (first) document.getElementById("registered").scrollIntoView();
  }, []);
  return html`<${Form} onMade=${setMade} registrations=${registrations} n=${n} now_us=${now.now_us} />
    ${made && html`<p class="done" role="status">${say("registered", made)}</p>`}
    <section aria-labelledby="registered">
      <h2 id="registered">${say("registered_today")}</h2>
      ${n > 0 && html`<${Find} name="find" label=${say("people_find")} first=${first} onGo=${(text) => go(text, 0)} />`}
      <${Wrong}>${wrong}<//>
      ${n === 0 && html`<p class="quiet">${say("none_registered")}</p>`}
      ${n > 0 && said?.registrations.length === 0 && html`<p class="quiet">${say("orders_none_found")}</p>`}
      ${said && (looked || n > PAGE) && html`<${Pages} skip=${looked?.skip || 0} listed=${said.registrations.length} n=${said.registrations_n} onGo=${(skip) => go(looked?.text || "", skip)} />`}
      <ul class="studies">${said?.registrations.map((one) => html`<${Registered} key=${one.registration} r=${one} studies=${now.studies}
        open=${(what, of) => setAsked({ what, registration: of.registration })} />`)}</ul>
    </section>
    ${r && asked.what === "slip" && html`<${Slip} r=${r} clinic=${now.clinic || now.gateway} onClose=${close} />`}
    ${r && asked.what === "phone" && html`<${Phone} r=${r} onClose=${close} />`}
    ${r && asked.what === "correct" && html`<${Correct} r=${r} onClose=${close} />`}
    ${r && asked.what === "urgent" && html`<${Stat} registration=${r.registration} who=${personFull(r)} isStat=${isStatOf(r, now.studies)} onClose=${close} />`}`;
}
