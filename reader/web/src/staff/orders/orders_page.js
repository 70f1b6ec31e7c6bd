// orders_page.js - order an examination at a clinic that invited us: its devices' worklists show it; and what became of ours.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import "./orders_words.js";
import "./orders.css";
import { get, post } from "../../shared/api.js";
import { Field, Mark, Notice, sentence, Table, Work } from "../../shared/components.js";
import { dayTime } from "../../shared/times.js";
import { say } from "../../shared/words.js";
import { user } from "../session.js";

const ASK_AGAIN_MS = 5000; // while one is on its way
const KINDS = ["", "CT", "DX", "CR", "MR", "US", "MG", "ECG"];
const EMPTY = { patient: "", citizen_id: "", modality: "", description: "", phone: "", history: "", is_urgent: false, reason: "" };

// Our own number of an order: pressed again after a lost answer it is the same order.
function newNumber() {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  return [...bytes].map((n) => n.toString(16).padStart(2, "0")).join("").toUpperCase();
}

// Clinics whose agreement in force invites one of this doctor's organisations.
async function askClinics() {
  const [agreements, organisations, doctors] = await Promise.all([get("agreements"), get("organisations"), get("doctors")]);
  const mine = doctors.items.find((d) => d.login === user.value.login)?.organisations ?? [];
  const now = new Date().toISOString();
  const inForce = agreements.items.filter((a) => mine.includes(a.invited) && a.valid_from <= now && now < a.valid_until);
  const codes = [...new Set(inForce.map((a) => a.inviting))];
  return codes.map((code) => [code, organisations.items.find((o) => o.code === code)?.name ?? code]);
}

function Form({ clinics, onSent }) {
  const [order, setOrder] = useState(EMPTY);
  const [clinic, setClinic] = useState(clinics[0][0]);
  const [placer, setPlacer] = useState(newNumber);
  const [told, setTold] = useState(null);
  const field = (name, more) => html`<${Field} name=${name} label=${say(`ord_${name === "citizen_id" ? "citizen" : name}`)} value=${order[name]}
    onInput=${(value) => setOrder({ ...order, [name]: value })} autocomplete="off" ...${more} />`;
  const send = async () => {
    const due = order.patient.trim() && order.description.trim() && (!order.is_urgent || order.reason.trim());
    if (!due) return setTold({ kind: "bad", words: say("ord_incomplete") });
    try {
      const reason = order.is_urgent ? order.reason.trim() : "";
      onSent(await post("orders", { ...order, patient: order.patient.trim(), citizen_id: order.citizen_id.trim().toUpperCase(), reason, clinic, placer, is_cancelled: false }));
      setOrder(EMPTY);
      setPlacer(newNumber());
      setTold({ kind: "good", words: say("ord_sent") });
    } catch (why) {
      setTold({ kind: "bad", words: sentence(why) });
    }
  };
  return html`<form class="order" onSubmit=${(event) => event.preventDefault()}>
    <${Field} name="clinic" label=${say("ord_at")} value=${clinic} onInput=${setClinic} options=${clinics} />
    ${field("patient", { maxlength: 64 })}
    ${field("citizen_id", { maxlength: 18, hint: say("ord_citizen_hint"), inputmode: "text" })}
    ${field("modality", { options: KINDS.map((k) => [k, k || say("ord_any")]) })}
    ${field("description", { maxlength: 60, hint: say("ord_description_hint") })}
    ${field("phone", { maxlength: 16, kind: "tel" })}
    ${field("history", { kind: "area", maxlength: 1900 })}
    <p><label><input type="checkbox" checked=${order.is_urgent} onChange=${(event) => setOrder({ ...order, is_urgent: event.target.checked })} /> ${say("ord_urgent")}</label></p>
    ${order.is_urgent && field("reason", { maxlength: 190 })}
    ${told && html`<${Notice} kind=${told.kind}>${told.words}<//>`}
    <p class="buttons"><${Work} class="primary" onClick=${send}>${say("ord_send")}<//></p>
  </form>`;
}

function State({ order, onChanged }) {
  const [wrong, setWrong] = useState("");
  const takeBack = () => post("orders", { clinic: order.clinic, placer: order.placer.slice(order.placer.indexOf("/") + 1), is_cancelled: true, is_urgent: false })
    .then(onChanged, (why) => setWrong(sentence(why)));
  if (order.is_cancelled) return html`<${Mark}>${say("ord_cancelled")}<//>`;
  return html`<${Mark} colour=${order.arrived_at ? "green" : "amber"}>${order.arrived_at ? say("ord_arrived", dayTime(order.arrived_at)) : say("ord_on_way")}<//>
    <${Work} class="plain" onClick=${takeBack}>${say("ord_take_back")}<//> ${wrong && html`<span class="wrong" role="alert">${wrong}</span>`}`;
}

export default function Orders() {
  const [clinics, setClinics] = useState(null);
  const [orders, setOrders] = useState([]);
  const [wrong, setWrong] = useState("");
  const take = (answer) => setOrders(answer.orders);
  useEffect(() => {
    askClinics().then(setClinics, (why) => setWrong(sentence(why)));
    get("orders").then(take, (why) => setWrong(sentence(why)));
  }, []);
  const isWaiting = orders.some((o) => !o.is_cancelled && !o.arrived_at);
  useEffect(() => {
    const timer = isWaiting && setInterval(() => get("orders").then(take).catch(() => null), ASK_AGAIN_MS); // what is shown stays
    return () => clearInterval(timer);
  }, [isWaiting]);
  return html`<main id="content" tabindex="-1"><h1>${say("ord_title")}</h1>
    ${wrong && html`<${Notice} kind="bad">${wrong}<//>`}
    ${clinics && (clinics.length > 0 ? html`<${Form} clinics=${clinics} onSent=${take} />` : html`<${Notice}>${say("ord_no_clinic")}<//>`)}
    <h2>${say("ord_list")}</h2>
    <${Table} caption=${say("ord_list")} empty=${say("ord_none")} heads=${[say("ord_when"), say("ord_at"), say("ord_patient"), say("ord_what"), say("ord_by"), say("ord_state")]}
      rows=${orders.map((o) => [dayTime(o.at), o.clinic_name, html`${o.patient} ${o.is_urgent && html`<${Mark} colour="red">${say("ord_urgent")}<//>`}`,
        `${o.modality} ${o.description}`, o.by, html`<${State} order=${o} onChanged=${take} />`])} />
  </main>`;
}
