// door.js - before anybody is signed in: the login, and a one-time code that makes a password (and the first account).
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { Field, sentence, Wrong } from "./parts.js";
import { door, enter, place } from "./state.js";
import { say } from "./words.js";

// A form that sends once at a time; what is refused is told in its words.
function Form({ title, hint, button, send, children }) {
  const [wrong, setWrong] = useState("");
  const [isBusy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setWrong("");
    try {
      await send();
    } catch (error) {
      setWrong(error.waitS > 0 ? say("door_wait", error.waitS) : error.status === 401 ? say("door_wrong") : error.status === 403 ? say("door_no_code") : sentence(error));
    } finally {
      setBusy(false);
    }
  };
  return html`<form class="door" onSubmit=${submit}>
    <h2>${title}</h2>
    ${hint && html`<p class="quiet">${hint}</p>`}
    <${Wrong}>${wrong}<//>
    ${children}
    <button type="submit" class="primary" disabled=${isBusy}>${button}</button>
  </form>`;
}

function Login() {
  const [login, setLogin] = useState("");
  const [password, setPassword] = useState("");
  return html`<${Form} title=${say("sign_in")} button=${say("sign_in_do")} send=${() => enter("login", { login: login.trim().toLowerCase(), password })}>
    <${Field} label=${say("login")} name="login" value=${login} onInput=${setLogin} autocomplete="username" autocapitalize="none" required maxlength="64" />
    <${Field} label=${say("password")} name="password" kind="password" value=${password} onInput=${setPassword} autocomplete="current-password" required maxlength="256" />
    <p><a href="#/code">${say("have_code")}</a></p>
  <//>`;
}

function Code({ isFirst }) {
  const [code, setCode] = useState("");
  const [login, setLogin] = useState("");
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const [isNew, setNew] = useState(isFirst);
  const send = async () => {
    if (password !== again) throw Object.assign(new Error(), { status: 400, body: { word: "password_again" } });
    await enter("code", isNew ? { code, password, login: login.trim().toLowerCase(), name: name.trim() } : { code, password });
    location.hash = "#/";
  };
  return html`<${Form} title=${say(isFirst ? "first_account" : "use_code")} hint=${say(isNew ? "first_account_how" : "use_code_how")} button=${say("set_password")} send=${send}>
    <${Field} label=${say("code")} name="code" value=${code} onInput=${setCode} autocomplete="off" autocapitalize="characters" required maxlength="64" />
    ${!isFirst && html`<label class="tick"><input type="checkbox" name="new" checked=${isNew} onChange=${(event) => setNew(event.target.checked)} /> ${say("code_of_console")}</label>`}
    ${isNew && html`<${Field} label=${say("login")} hint=${say("login_hint")} name="login" value=${login} onInput=${setLogin} autocomplete="username" autocapitalize="none" required maxlength="64" />
      <${Field} label=${say("your_name")} name="name" value=${name} onInput=${setName} autocomplete="name" required maxlength="64" />`}
    <${Field} label=${say("password_new")} hint=${say("password_hint")} name="password" kind="password" value=${password} onInput=${setPassword} autocomplete="new-password" required minlength="10" maxlength="256" />
    <${Field} label=${say("password_again")} name="again" kind="password" value=${again} onInput=${setAgain} autocomplete="new-password" required maxlength="256" />
    ${!isFirst && html`<p><a href="#/">${say("sign_in")}</a></p>`}
  <//>`;
}

export function Door() {
  if (door.value.has_accounts === false) return html`<${Code} isFirst=${true} />`;
  return place.value === "code" ? html`<${Code} isFirst=${false} />` : html`<${Login} />`;
}
