// enter.js - the two steps to the report: the code on the slip, then a one-time code to the phone. Nothing here knows or
// says whether a code exists. The code never stands in an address that a server sees: a slip's QR code has it behind the #.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { post } from "../shared/api.js";
import { Field, Notice, sentence, Work } from "../shared/components.js";
import { say } from "../shared/words.js";
import { keepCsrf } from "./session.js";
import { fault, grouped, letters } from "./slip.js";

const AGAIN_S = 60;

// The code from the slip's QR code, taken out of the address bar at once.
export function codeOfAddress() {
  const code = letters(decodeURIComponent(location.hash.slice(1)));
  if (code !== "") history.replaceState(null, "", location.pathname);
  return code !== "" && fault(code) === "" ? grouped(code) : "";
}

function AskCode({ code, setCode, isFromSlip, onSent }) {
  const [wrong, setWrong] = useState("");
  const [trouble, setTrouble] = useState("");
  const send = async (event) => {
    event.preventDefault();
    const word = fault(code);
    setWrong(word && say(word));
    setTrouble("");
    if (word) return;
    try {
      onSent((await post("open", { code: grouped(letters(code)) })).challenge);
    } catch (error) {
      setTrouble(sentence(error));
    }
  };
  return html`<form onSubmit=${send} novalidate>
    <${Notice} kind="bad">${trouble}<//>
    ${isFromSlip && html`<${Notice} kind="good">${say("from_slip")}<//>`}
    <${Field} label=${say("code_label")} hint=${say("code_hint")} name="code" value=${code} onInput=${setCode} error=${wrong}
      autocomplete="off" autocapitalize="characters" spellcheck=${false} class="code" enterkeyhint="send" />
    <button class="primary wide" type="submit">${say("send_code")}</button>
    <p class="quiet">${say("privacy")}</p>
  </form>`;
}

function useSecondsLeft(key) {
  const [left, setLeft] = useState(AGAIN_S);
  useEffect(() => {
    const until = Date.now() + AGAIN_S * 1000;
    setLeft(AGAIN_S);
    const timer = setInterval(() => setLeft(Math.max(0, Math.ceil((until - Date.now()) / 1000))), 500);
    return () => clearInterval(timer);
  }, [key]);
  return left;
}

function AskNumber({ code, challenge, onSent, onEntered, onBack }) {
  const [otp, setOtp] = useState("");
  const [wrong, setWrong] = useState("");
  const left = useSecondsLeft(challenge);
  const enter = async (event) => {
    event.preventDefault();
    setWrong("");
    try {
      keepCsrf((await post("enter", { challenge, otp: otp.normalize("NFKC").replace(/\D/g, "") })).csrf);
      onEntered();
    } catch (error) {
      setWrong(error.status === 403 ? say("refused") : sentence(error));
    }
  };
  const again = async () => {
    setWrong("");
    try {
      onSent((await post("open", { code: grouped(letters(code)) })).challenge);
    } catch (error) {
      setWrong(sentence(error));
    }
  };
  return html`<form onSubmit=${enter} novalidate>
    <${Notice}>${say("sent")}<//>
    <${Field} label=${say("otp_label")} hint=${say("otp_hint")} name="otp" value=${otp} onInput=${setOtp} error=${wrong}
      inputmode="numeric" autocomplete="one-time-code" class="otp" enterkeyhint="go" />
    <button class="primary wide" type="submit" disabled=${otp.trim() === ""}>${say("enter")}</button>
    <p class="quiet">${say("not_got")}</p>
    <div class="buttons">
      <${Work} onClick=${again} disabled=${left > 0}>${left > 0 ? say("wait", left) : say("send_again")}<//>
      <button type="button" onClick=${onBack}>${say("other_code")}</button>
    </div>
  </form>`;
}

export function Enter({ first, note, onEntered }) {
  const [code, setCode] = useState(first);
  const [challenge, setChallenge] = useState("");
  return html`<main id="content">
    <h1>${say("patient_title")}</h1>
    <${Notice} kind="warn">${note}<//>
    ${challenge
      ? html`<${AskNumber} code=${code} challenge=${challenge} onSent=${setChallenge} onEntered=${onEntered} onBack=${() => setChallenge("")} />`
      : html`<${AskCode} code=${code} setCode=${setCode} isFromSlip=${first !== "" && code === first} onSent=${setChallenge} />`}
  </main>`;
}
