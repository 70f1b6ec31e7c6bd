// verify.js - the page behind a report's QR code: valid, replaced, withdrawn or unknown. It shows nothing of the patient.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { get } from "../shared/api.js";
import { Notice, sentence } from "../shared/components.js";
import { fullTime } from "../shared/times.js";
import { say } from "../shared/words.js";

const SIGNS = { valid: ["good", "✓"], amended: ["warn", "!"], withdrawn: ["bad", "✕"], unknown: ["bad", "?"] };
const MORE = { valid: "valid_more", amended: "amended_more", withdrawn: "verify_withdrawn_more", unknown: "unknown_more" };
const person = (who) => (who && typeof who === "object" ? who.name : who) || "";
const Fact = ({ word, children }) => (children ? html`<div><dt>${say(word)}</dt><dd>${children}</dd></div>` : null);

// The newer version's page, from an address or a token.
const newer = (of) => (of ? `/v/${String(of).replace(/.*\/v\//, "")}` : "");

export function Verify({ token }) {
  const [found, setFound] = useState(null);
  const [wrong, setWrong] = useState("");
  useEffect(() => {
    get(`verify/${encodeURIComponent(token)}`).then(setFound, (error) => (error.status === 404 ? setFound({ state: "unknown" }) : setWrong(sentence(error))));
  }, [token]);
  if (!found) return html`<main id="content"><h1>${say("verify_title")}</h1><${Notice} kind="bad">${wrong}<//>${!wrong && html`<p class="quiet">${say("loading")}</p>`}</main>`;
  const state = found.state in SIGNS ? found.state : "unknown";
  const [kind, sign] = SIGNS[state];
  return html`<main id="content">
    <h1>${say("verify_title")}</h1>
    <div class="verdict ${kind}" role="status"><span class="sign" aria-hidden="true">${sign}</span><b>${say(`mark_${state}`)}</b></div>
    <p>${say(MORE[state])}</p>
    ${found.superseded_by && state === "amended" && html`<p><a class="button" href=${newer(found.superseded_by)}>${say("see_new")}</a></p>`}
    ${state !== "unknown" && html`<dl>
      <${Fact} word="kind">${say(found.kind === "preliminary" ? "kind_preliminary" : "kind_final")} · ${say("version", found.version)}<//>
      <${Fact} word="signed_at">${fullTime(found.signed_at)}<//>
      <${Fact} word="clinic">${found.clinic}<//><${Fact} word="hospital">${found.hospital}<//>
      <${Fact} word="author">${person(found.author)}<//><${Fact} word="reviewer">${person(found.reviewer)}<//>
    </dl><p class="quiet">${say("verify_private")}</p>`}
  </main>`;
}
