// orders.js - what is to be examined: the devices' worklist, whoever ordered it.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { Mark, Work, Wrong } from "./parts.js";
import { ageOf, sexWord } from "./people.js";
import { post } from "./state.js";
import { fullTime, knows, say } from "./words.js";

const COLOURS = { scheduled: "grey", in_progress: "amber", completed: "green", discontinued: "red", cancelled: "red" };
const ACTS = { scheduled: ["cancel"], in_progress: ["complete"], discontinued: ["again"], cancelled: ["again"] };

// A device without MPPS never says that it is done: the images that came let a person say it.
const actsOf = (o) => (o.state === "scheduled" && o.attached ? ["complete", ...ACTS.scheduled] : ACTS[o.state] || []);

function Order({ o }) {
  const [wrong, setWrong] = useState("");
  const modality = knows(`modality_${o.modality}`) ? say(`modality_${o.modality}`) : o.modality || say("any_modality");
  return html`<li class="study ${o.is_urgent ? "red" : COLOURS[o.state] || "grey"}" data-order=${o.number}>
    <div class="what"><b>${o.name || o.pinyin}</b><span class="quiet">${sexWord(o.sex)} ${ageOf(o.birth)}</span></div>
    <div class="how"><span>${modality}${o.description ? ` · ${o.description}` : ""}</span>
      <span class="quiet">${o.accession} · ${o.pinyin.replace("^", " ")} · ${fullTime(o.scheduled_at_us)} · ${say(`source_${o.source}`)}</span>
      <span class="marks"><${Mark} colour=${COLOURS[o.state] || "grey"}>${say(`order_${o.state}`)}<//>
        ${o.attached && html`<${Mark} colour="green">${say("order_has_images")}<//>`}
        ${o.is_urgent && html`<${Mark} colour="red">${say("is_urgent")}<//>`}</span><${Wrong}>${wrong}<//></div>
    <div class="may">${actsOf(o).map((act) => html`<${Work} onError=${setWrong} onClick=${() => post(`orders/${o.number}/${act}`)}>${say(`order_do_${act}`)}<//>`)}</div>
  </li>`;
}

export function Orders({ now }) {
  const orders = now.orders || [];
  return html`<section aria-labelledby="orders"><h2 id="orders">${say("orders")}</h2>
    <p class="quiet">${say("orders_why")}</p>
    ${orders.length === 0 && html`<p class="quiet">${say("no_orders")}</p>`}
    <ul class="studies">${orders.map((o) => html`<${Order} key=${o.number} o=${o} />`)}</ul></section>`;
}
