// login.js - password, the one-time number when the server asks for it; and setting both with a one-time code, as the
// first administrator or by an administrator's invitation.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { Field, LanguageSwitch, Notice, sentence, ThemeSwitch } from "../shared/components.js";
import { post } from "../shared/api.js";
import { say } from "../shared/words.js";
import { go, hasEnded, place, signIn } from "./session.js";

function useFields(first) {
  const [fields, set] = useState(first);
  return [fields, (name) => (value) => set((old) => ({ ...old, [name]: value }))];
}

function SignIn() {
  const [fields, on] = useFields({ user: "", password: "", totp: "" });
  const [needsTotp, setNeedsTotp] = useState(false);
  const [wrong, setWrong] = useState("");
  const submit = async (event) => {
    event.preventDefault();
    setWrong("");
    try {
      await signIn({ user: fields.user.trim(), password: fields.password, ...(needsTotp ? { totp: fields.totp.replace(/\D/g, "") } : {}) });
    } catch (error) {
      const asks = error.status === 401 && error.body.needs_totp;
      if (asks) setNeedsTotp(true);
      if (asks && !needsTotp) return;
      setWrong(error.status === 401 ? say(asks ? "wrong_totp" : "wrong_login") : sentence(error));
    }
  };
  return html`<form class="narrow" onSubmit=${submit}>
    <h1>${say("radpost")} · ${say("staff_title")}</h1>
    ${hasEnded.value && html`<${Notice} kind="warn">${say("session_ended")}<//>`}
    <${Notice} kind="bad">${wrong}<//>
    <${Field} label=${say("login")} name="user" value=${fields.user} onInput=${on("user")} autocomplete="username" autocapitalize="none" required />
    <${Field} label=${say("password")} name="password" kind="password" value=${fields.password} onInput=${on("password")}
      autocomplete="current-password" required />
    ${needsTotp && html`<${Field} label=${say("totp")} hint=${say("totp_hint")} name="totp" value=${fields.totp} onInput=${on("totp")}
      inputmode="numeric" autocomplete="one-time-code" autofocus required />`}
    <button class="primary" type="submit">${say("sign_in")}</button>
    <div class="ways"><a href="#/invitation">${say("invitation")}</a><a href="#/first-admin">${say("first_admin")}</a></div>
  </form>`;
}

function Secret({ made, title }) {
  return html`<div class="narrow">
    <h1>${title}</h1>
    <${Notice} kind="good">${say("created", made.login)}<//>
    <p>${say("totp_secret")}</p>
    <p class="secret">${(made.totp_secret || "").replace(/(.{4})/g, "$1 ")}</p>
    ${made.otpauth && html`<p><a href=${made.otpauth}>${say("otpauth")}</a></p>`}
    <button class="primary" type="button" onClick=${() => go("/")}>${say("go_sign_in")}</button>
  </div>`;
}

// A one-time code sets a password and a second factor; the first administrator also says who they are.
function ByCode({ isFirst }) {
  const [fields, on] = useFields({ code: "", login: "", name: "", password: "" });
  const [wrong, setWrong] = useState("");
  const [made, setMade] = useState(null);
  const title = say(isFirst ? "first_admin" : "invitation");
  if (made) return html`<${Secret} made=${made} title=${title} />`;
  const submit = async (event) => {
    event.preventDefault();
    setWrong("");
    const code = fields.code.trim();
    const { login, name, password } = fields;
    try {
      setMade(isFirst ? await post("first-admin", { code, login: login.trim(), name: name.trim(), password }) : await post("invitation", { code, password }));
    } catch (error) {
      setWrong(error.status === 403 || error.status === 401 ? say("code_refused") : sentence(error));
    }
  };
  return html`<form class="narrow" onSubmit=${submit}>
    <h1>${title}</h1>
    <${Notice} kind="bad">${wrong}<//>
    <${Field} label=${say("one_time_code")} hint=${say(isFirst ? "first_admin_hint" : "invitation_hint")} name="code" value=${fields.code} onInput=${on("code")}
      autocomplete="off" autocapitalize="characters" required />
    ${isFirst && html`<${Field} label=${say("login")} hint=${say("login_hint")} name="login" value=${fields.login} onInput=${on("login")} autocomplete="username" autocapitalize="none" required />
      <${Field} label=${say("name")} name="name" value=${fields.name} onInput=${on("name")} autocomplete="name" required />`}
    <${Field} label=${say("new_password")} name="password" kind="password" value=${fields.password} onInput=${on("password")}
      autocomplete="new-password" minlength="12" required />
    <button class="primary" type="submit">${say("create")}</button>
    <div class="ways"><a href="#/">${say("back")}</a></div>
  </form>`;
}

export function Login() {
  const at = place.value;
  return html`<header class="bar"><span class="grow"></span><${LanguageSwitch} /><${ThemeSwitch} /></header>
    <main id="content">
      ${at === "/first-admin" || at === "/invitation" ? html`<${ByCode} key=${at} isFirst=${at === "/first-admin"} />` : html`<${SignIn} />`}
    </main>`;
}
