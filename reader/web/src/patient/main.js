// main.js - the patient's page, and the page behind a report's QR code.
import { render } from "preact";
import { html } from "htm/preact";
import "../shared/shared_words.js";
import { LanguageSwitch } from "../shared/components.js";
import { say } from "../shared/words.js";

render(html`<header class="top"><b>${say("radpost")}</b><${LanguageSwitch} /></header><main></main>`, document.getElementById("page"));
