// account.js - one's own account; and for the desk's administrator everybody's.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { Dialog, Field, Mark, sentence, Sure, Work, Wrong } from "./parts.js";
import { get, leave, me, post } from "./state.js";
import { fullTime, say } from "./words.js";

const ROLES = ["technician", "engineer", "administrator"];

function Password() {
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const [again, setAgain] = useState("");
  const [wrong, setWrong] = useState("");
  const change = async () => {
    if (fresh !== again) throw Object.assign(new Error(), { status: 400, body: { word: "password_again" } });
    await post("password", { old, new: fresh });
    location.reload(); // every session of the account has ended
  };
  return html`<form class="register" onSubmit=${(event) => event.preventDefault()}>
    <h2>${say("password_change")}</h2>
    <${Wrong}>${wrong}<//>
    <div class="columns">
      <${Field} label=${say("password_old")} name="old" kind="password" value=${old} onInput=${setOld} autocomplete="current-password" />
      <${Field} label=${say("password_new")} hint=${say("password_hint")} name="fresh" kind="password" value=${fresh} onInput=${setFresh} autocomplete="new-password" />
      <${Field} label=${say("password_again")} name="again" kind="password" value=${again} onInput=${setAgain} autocomplete="new-password" />
    </div>
    <${Work} class="primary" disabled=${!old || fresh.length < 10} onError=${setWrong} onClick=${change}>${say("password_change")}<//>
  </form>`;
}

// The code is shown once: whoever it is for sets a password with it.
function Shown({ shown, onClose }) {
  return html`<${Dialog} title=${say("code_for", shown.name)} onClose=${onClose}>
    <p class="slip-code">${shown.code}</p>
    <p>${say("code_hand_over")}</p>
    <div class="quick"><button type="button" class="primary" onClick=${onClose}>${say("shut")}</button></div>
  <//>`;
}

function New({ onMade, onClose }) {
  const [fields, setFields] = useState({ login: "", name: "", role: "technician" });
  const [wrong, setWrong] = useState("");
  const on = (name) => (value) => setFields((old) => ({ ...old, [name]: value }));
  const make = async () => {
    const { code } = await post("accounts", { login: fields.login.trim().toLowerCase(), name: fields.name.trim(), roles: [fields.role] });
    onMade({ name: fields.name, code });
  };
  return html`<${Dialog} title=${say("account_new")} onClose=${onClose}>
    <${Wrong}>${wrong}<//>
    <${Field} label=${say("login")} hint=${say("login_hint")} name="login" value=${fields.login} onInput=${on("login")} autocomplete="off" autocapitalize="none" maxlength="64" />
    <${Field} label=${say("name")} name="name" value=${fields.name} onInput=${on("name")} autocomplete="off" maxlength="64" />
    <${Field} label=${say("role")} name="role" value=${fields.role} onInput=${on("role")} options=${ROLES.map((r) => [r, say(`role_${r}`)])} />
    <div class="quick"><${Work} class="primary" disabled=${!fields.login.trim() || !fields.name.trim()} onError=${setWrong} onClick=${make}>${say("account_new_do")}<//>
      <button type="button" onClick=${onClose}>${say("shut")}</button></div>
  <//>`;
}

function Row({ a, onChange, onShown, onError }) {
  const [asked, setAsked] = useState("");
  const act = (what) => async () => {
    const said = await post(`accounts/${encodeURIComponent(a.login)}/${what}`);
    if (said.code) onShown({ name: a.name, code: said.code });
    await onChange();
  };
  return html`<li class="study ${a.is_disabled ? "red" : a.has_password ? "green" : "amber"}" data-login=${a.login}>
    <div class="what"><b>${a.name}</b><span class="quiet">${a.login}</span></div>
    <div class="how"><span>${a.roles.map((r) => say(`role_${r}`)).join(" · ")}</span>
      <span class="quiet">${a.signed_in_us ? say("signed_in_last", fullTime(a.signed_in_us)) : say("signed_in_never")}</span>
      ${a.is_disabled ? html`<span class="marks"><${Mark} colour="red">${say("is_disabled")}<//></span>` : !a.has_password && html`<span class="marks"><${Mark} colour="amber">${say("no_password")}<//></span>`}</div>
    <div class="may">${a.login !== me.value?.login && html`
      <button type="button" onClick=${() => setAsked("reset")}>${say("account_reset")}</button>
      ${a.is_disabled ? html`<${Work} onError=${onError} onClick=${act("enable")}>${say("account_enable")}<//>`
        : html`<button type="button" onClick=${() => setAsked("disable")}>${say("account_disable")}</button>`}`}</div>
    ${asked && html`<${Sure} title=${say(`account_${asked}`)} words=${say(`account_${asked}_how`, a.name)} onClose=${() => setAsked("")}
      onDo=${async () => { await act(asked)(); setAsked(""); }} />`}
  </li>`;
}

function Accounts() {
  const [list, setList] = useState([]);
  const [wrong, setWrong] = useState("");
  const [shown, setShown] = useState(null);
  const [isNew, setNew] = useState(false);
  const load = async () => {
    try {
      setList((await get("accounts")).accounts);
    } catch (error) {
      setWrong(sentence(error));
    }
  };
  useEffect(() => {
    load();
  }, []);
  return html`<section aria-labelledby="accounts">
    <div class="line"><h2 id="accounts">${say("accounts")}</h2><button type="button" class="primary" onClick=${() => setNew(true)}>${say("account_new")}</button></div>
    <${Wrong}>${wrong}<//>
    <ul class="studies">${list.map((a) => html`<${Row} key=${a.login} a=${a} onChange=${load} onShown=${setShown} onError=${setWrong} />`)}</ul>
    ${isNew && html`<${New} onClose=${() => setNew(false)} onMade=${(made) => { setNew(false); setShown(made); load(); }} />`}
    ${shown && html`<${Shown} shown=${shown} onClose=${() => setShown(null)} />`}
  </section>`;
}

export function Account() {
  const who = me.value;
  return html`<section class="line"><p><b>${who.name}</b> <span class="quiet">${who.login} · ${who.roles.map((r) => say(`role_${r}`)).join(" · ")}</span></p>
      <${Work} onError=${() => location.reload()} onClick=${leave}>${say("sign_out")}<//></section>
    ${who.may_admin && html`<${Accounts} />`}
    <${Password} />`;
}
