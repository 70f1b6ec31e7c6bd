// main.js - the patient's page, and the page behind a report's QR code. Plain ES2019, no storage needed, no service
// worker: it has to work in the browser inside another program on an old phone.
import { render } from "preact";
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { effect } from "@preact/signals";
import "../shared/shared_words.js";
import "./patient_words.js";
import "../shared/theme.js";
import { get } from "../shared/api.js";
import { LanguageSwitch } from "../shared/components.js";
import { language, say } from "../shared/words.js";
import { codeOfAddress, Enter } from "./enter.js";
import { Exam } from "./exam.js";
import { Verify } from "./verify.js";

const token = (/^\/v\/([A-Za-z0-9]+)\/?$/.exec(location.pathname) || [])[1];

// A slip scanned anew asks for a new sign-in, also where somebody else's session still stands.
function Patient() {
  const [code, setCode] = useState(codeOfAddress);
  const [isIn, setIn] = useState(code === "" ? null : false);
  const [note, setNote] = useState("");
  useEffect(() => {
    const onHash = () => {
      const next = codeOfAddress();
      if (next === "") return;
      setCode(next);
      setIn(false);
    };
    addEventListener("hashchange", onHash);
    if (isIn === null) {
      get("exam").then(() => setIn(true), () => setIn(false));
    }
    return () => removeEventListener("hashchange", onHash);
  }, []);
  if (isIn === null) return html`<main id="content" aria-busy="true"></main>`;
  const ended = (word) => {
    setNote(say(word));
    setIn(false);
  };
  return isIn ? html`<${Exam} onEnded=${ended} />` : html`<${Enter} key=${code} first=${code} note=${note} onEntered=${() => setIn(true)} />`;
}

function Page() {
  return html`<header class="top"><b>${say("radpost")}</b><${LanguageSwitch} /></header>
    ${token ? html`<${Verify} token=${token} />` : html`<${Patient} />`}`;
}

effect(() => {
  document.title = `${say(token ? "verify_title" : "patient_title")} · ${language.value === "en" ? "Radpost" : "影驿"}`;
});
render(html`<${Page} />`, document.getElementById("page"));
