// documents.js - what in a study is not an image: structured reports as text, PDF to open, the rest by name.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { all, first, personName, text } from "./tags.js";
import { bulkdataPath } from "./study.js";
import { say } from "./viewer_words.js";

const DEPTH_MOST = 20;
const meaning = (d, tag) => text(first(d, tag), "00080104");

function valueOf(d) {
  const measured = first(d, "0040A300");
  if (measured) return `${text(measured, "0040A30A")} ${meaning(measured, "004008EA")}`;
  return text(d, "0040A160") || meaning(d, "0040A168") || personName(d, "0040A123") || text(d, "0040A120") || text(d, "0040A121") || text(d, "0040A122");
}

function Content({ d, depth }) {
  const name = meaning(d, "0040A043");
  const value = valueOf(d);
  const inner = depth < DEPTH_MOST ? all(d, "0040A730") : [];
  return html`<li>${name && html`<b>${name}</b>`}${name && value ? ": " : ""}<span class="said">${value}</span>
    ${inner.length > 0 && html`<ul>${inner.map((item) => html`<${Content} d=${item} depth=${depth + 1} />`)}</ul>`}</li>`;
}

function Report({ stack }) {
  const content = all(stack.meta, "0040A730");
  return html`<h3>${meaning(stack.meta, "0040A043") || say("document_report")}</h3>
    ${content.length === 0 ? html`<p class="quiet">${say("sr_empty")}</p>` : html`<ul class="tree">${content.map((d) => html`<${Content} d=${d} depth=${1} />`)}</ul>`}`;
}

function Pdf({ study, stack }) {
  const [url, setUrl] = useState("");
  const [hasFailed, setFailed] = useState(false);
  useEffect(() => {
    let made = "";
    const data = stack.meta["00420011"];
    fetch(bulkdataPath(study, stack.meta, data.BulkDataURI), { headers: { Accept: "application/octet-stream" }, credentials: "same-origin" })
      .then((answer) => (answer.ok ? answer.blob() : Promise.reject(new Error(String(answer.status)))))
      .then((blob) => {
        made = URL.createObjectURL(new Blob([blob], { type: "application/pdf" }));
        setUrl(made);
      }).catch(() => setFailed(true));
    return () => made && URL.revokeObjectURL(made);
  }, [stack.id]);
  return html`<h3>${text(stack.meta, "00420010") || say("document_pdf")}</h3>
    ${hasFailed && html`<p class="notice bad" role="alert">${say("document_failed")}</p>`}
    ${url && html`<p class="buttons"><a class="button" href=${url} target="_blank" rel="noopener">${say("open_pdf")}</a>
      <a class="button" href=${url} download="${stack.sop}.pdf">${say("save_pdf")}</a></p>`}`;
}

export function Document({ study, stack, onShown }) {
  useEffect(() => onShown(stack.sop), [stack.id]);
  return html`<section class="document" tabindex="0" aria-label=${say(`document_${stack.kind}`)}>
    ${stack.kind === "report" && html`<${Report} stack=${stack} />`}
    ${stack.kind === "pdf" && html`<${Pdf} study=${study} stack=${stack} />`}
    ${stack.kind === "other" && html`<p>${say("document_other")}${say("colon")}${stack.modality} ${text(stack.meta, "00080016")}</p>`}
  </section>`;
}
