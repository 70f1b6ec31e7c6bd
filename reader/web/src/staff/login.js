// login.js - password, the one-time number when the server asks for it, and the first administrator by console code.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { Field, LanguageSwitch, Notice, sentence, ThemeSwitch, Work } from "../shared/components.js";
import { post } from "../shared/api.js";
import { say } from "../shared/words.js";
import { signIn } from "./session.js";

function useFields(first) {
  const [fields, set] = useState(first);
  return [fields, (name) => (value) => set((old) => ({ ...old, [name]: value }))];
}

function SignIn({ onFirst }) {
  const [fields, on] = useFields({ user: "", password: "", totp: "" });
  const [needsTotp, setNeedsTotp] = useState(false);
  const [wrong, setWrong] = useState("");
  const submit = async (event) => {
    event.preventDefault();
    setWrong("");
    try {
      await signIn(needsTotp ? { ...fields, totp: fields.totp.trim() } : { user: fields.user, password: fields.password });
    } catch (error) {
      const asks = error.status === 401 && error.body.needs_totp;
      if (asks) setNeedsTotp(true);
      if (asks && !needsTotp) return;
      setWrong(error.status === 401 ? say(asks ? "wrong_totp" : "wrong_login") : sentence(error));
    }
  };
  return html`<form class="narrow" onSubmit=${submit}>
    <h1>${say("radpost")} · ${say("staff_title")}</h1>
    <${Notice} kind="bad">${wrong}<//>
    <${Field} label=${say("login")} name="user" value=${fields.user} onInput=${on("user")} autocomplete="username" autocapitalize="none" required />
    <${Field} label=${say("password")} name="password" kind="password" value=${fields.password} onInput=${on("password")}
      autocomplete="current-password" required />
    ${needsTotp && html`<${Field} label=${say("totp")} hint=${say("totp_hint")} name="totp" value=${fields.totp} onInput=${on("totp")}
      inputmode="numeric" autocomplete="one-time-code" pattern="[0-9 ]*" autofocus required />`}
    <button class="primary" type="submit">${say("sign_in")}</button>
    <button class="plain" type="button" onClick=${onFirst}>${say("first_admin")}</button>
  </form>`;
}

function Secret({ made, onDone }) {
  return html`<div class="narrow">
    <h1>${say("first_admin")}</h1>
    <${Notice} kind="good">${say("created")}<//>
    <p>${say("totp_secret")}</p>
    <p class="secret">${(made.totp_secret || "").replace(/(.{4})/g, "$1 ")}</p>
    ${made.otpauth && html`<p><a href=${made.otpauth}>${say("otpauth")}</a></p>`}
    <button class="primary" type="button" onClick=${onDone}>${say("go_sign_in")}</button>
  </div>`;
}

function FirstAdministrator({ onBack }) {
  const [fields, on] = useFields({ code: "", login: "", name: "", password: "" });
  const [wrong, setWrong] = useState("");
  const [made, setMade] = useState(null);
  if (made) return html`<${Secret} made=${made} onDone=${onBack} />`;
  const submit = async (event) => {
    event.preventDefault();
    setWrong("");
    try {
      setMade(await post("first-admin", { ...fields, code: fields.code.trim() }));
    } catch (error) {
      setWrong(error.status === 403 || error.status === 401 ? say("code_refused") : sentence(error));
    }
  };
  return html`<form class="narrow" onSubmit=${submit}>
    <h1>${say("first_admin")}</h1>
    <${Notice} kind="bad">${wrong}<//>
    <${Field} label=${say("one_time_code")} hint=${say("first_admin_hint")} name="code" value=${fields.code} onInput=${on("code")}
      autocomplete="off" autocapitalize="none" required />
    <${Field} label=${say("login")} name="login" value=${fields.login} onInput=${on("login")} autocomplete="username" autocapitalize="none" required />
    <${Field} label=${say("name")} name="name" value=${fields.name} onInput=${on("name")} autocomplete="name" required />
    <${Field} label=${say("new_password")} name="password" kind="password" value=${fields.password} onInput=${on("password")}
      autocomplete="new-password" minlength="12" required />
    <button class="primary" type="submit">${say("create")}</button>
    <button class="plain" type="button" onClick=${onBack}>${say("back")}</button>
  </form>`;
}

export function Login() {
  const [isFirst, setFirst] = useState(location.hash === "#/first-admin");
  return html`<header class="bar"><span class="grow"></span><${LanguageSwitch} /><${ThemeSwitch} /></header>
    <main id="content">
      ${isFirst ? html`<${FirstAdministrator} onBack=${() => setFirst(false)} />` : html`<${SignIn} onFirst=${() => setFirst(true)} />`}
    </main>`;
}
