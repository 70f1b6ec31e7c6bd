// accounts.js - accounts of one's organisation and those below: made by invitation, disabled, reset, given roles. Nobody
// here ever knows a password: a one-time code lets its owner set one.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { post } from "../../shared/api.js";
import { Dialog, Field, Mark, Notice, sentence, Table, Work } from "../../shared/components.js";
import { dayTime, fullTime } from "../../shared/times.js";
import { say } from "../../shared/words.js";
import { user } from "../session.js";
import { useList } from "./master.js";

const ROLES = ["technician", "doctor", "reviewer", "administrator", "supervisor"];

function Roles({ roles, set, error }) {
  const swap = (role) => set(roles.includes(role) ? roles.filter((r) => r !== role) : [...roles, role]);
  return html`<fieldset><legend>${say("roles")}</legend>
    ${ROLES.map((role) => html`<label class="tick"><input type="checkbox" name="role" value=${role} checked=${roles.includes(role)} onChange=${() => swap(role)} /> ${say(role)}</label>`)}
    ${error && html`<span class="wrong">${error}</span>`}</fieldset>`;
}

const Code = ({ made }) => html`<${Notice} kind="good">${say("invitation_made", made.login)}<//>
  <p class="secret">${made.code}</p><p class="quiet">${say("until", fullTime(made.ends_at))}</p>`;

function NewAccount({ organisations, onDone, onClose }) {
  const [fields, set] = useState({ login: "", name: "", organisation: user.value.organisation, roles: [] });
  const [wrong, setWrong] = useState("");
  const [made, setMade] = useState(null);
  const on = (name) => (value) => set((old) => ({ ...old, [name]: value }));
  const submit = async (event) => {
    event.preventDefault();
    setWrong(fields.roles.length === 0 ? say("need_role") : "");
    if (fields.roles.length === 0) return;
    try {
      setMade(await post("users", { ...fields, login: fields.login.trim(), name: fields.name.trim() }));
      onDone();
    } catch (error) {
      setWrong(sentence(error));
    }
  };
  return html`<${Dialog} title=${say("new_account")} onClose=${onClose}>
    ${made ? html`<${Code} made=${made} />` : html`<form onSubmit=${submit}>
      <${Notice} kind="bad">${wrong}<//>
      <${Field} label=${say("login")} hint=${say("login_hint")} name="login" value=${fields.login} onInput=${on("login")} autocapitalize="none" autocomplete="off" required />
      <${Field} label=${say("name")} name="name" value=${fields.name} onInput=${on("name")} autocomplete="off" required />
      <${Field} label=${say("organisation")} name="organisation" value=${fields.organisation} onInput=${on("organisation")} options=${organisations.map((o) => [o.code, o.name])} />
      <${Roles} roles=${fields.roles} set=${on("roles")} />
      <button class="primary" type="submit">${say("make")}</button>
    </form>`}
    <p><button type="button" onClick=${onClose}>${say("close")}</button></p>
  <//>`;
}

function Change({ what, of, onDone, onClose }) {
  const [roles, setRoles] = useState(of.roles);
  const [wrong, setWrong] = useState("");
  const [made, setMade] = useState(null);
  const run = async () => {
    setWrong("");
    try {
      const answer = await post(`users/${encodeURIComponent(of.login)}/${what}`, what === "roles" ? { roles } : {});
      onDone();
      if (what === "reset") setMade(answer);
      else onClose();
    } catch (error) {
      setWrong(sentence(error));
    }
  };
  const words = { reset: ["reset", "reset_sure"], disable: ["disable", "disable_sure"], roles: ["change_roles", null] };
  const [title, sure] = words[what];
  return html`<${Dialog} title=${`${say(title)} · ${of.name}`} onClose=${onClose}>
    <${Notice} kind="bad">${wrong}<//>
    ${made ? html`<${Code} made=${made} />` : html`${sure && html`<p>${say(sure, of.login)}</p>`}
      ${what === "roles" && html`<${Roles} roles=${roles} set=${setRoles} error=${roles.length === 0 && say("need_role")} />`}`}
    <div class="buttons">${!made && html`<${Work} class=${what === "roles" ? "primary" : "danger"} disabled=${roles.length === 0} onClick=${run}>${say(what === "roles" ? "save" : title)}<//>`}
      <button type="button" onClick=${onClose}>${say("close")}</button></div>
  <//>`;
}

const Standing = ({ of }) => html`<${Mark} colour=${of.is_disabled ? "red" : of.can_sign_in === false ? "amber" : "green"}>
  ${say(of.is_disabled ? "disabled" : of.can_sign_in === false ? "invited" : "active")}<//> ${of.is_demo && html`<${Mark} colour="amber">${say("demo")}<//>`}`;

export function Accounts({ organisations, nameOf }) {
  const { list, wrong, ask } = useList("users", "users");
  const [asked, setAsked] = useState(null); // {what, of}
  const [trouble, setTrouble] = useState("");
  const enable = (of) => post(`users/${encodeURIComponent(of.login)}/enable`).then(ask, (error) => setTrouble(sentence(error)));
  const isMe = (of) => of.login === user.value.login;
  const actions = (of) => html`<div class="buttons">
    ${of.is_disabled ? html`<${Work} onClick=${() => enable(of)}>${say("enable")}<//>` : html`
      <button type="button" disabled=${isMe(of)} onClick=${() => setAsked({ what: "disable", of })}>${say("disable")}</button>
      <button type="button" disabled=${isMe(of)} onClick=${() => setAsked({ what: "roles", of })}>${say("change_roles")}</button>
      ${!of.is_demo && html`<button type="button" disabled=${isMe(of)} onClick=${() => setAsked({ what: "reset", of })}>${say("reset")}</button>`}`}</div>`;
  return html`<div class="over"><h2>${say("accounts")}</h2><span class="grow"></span>
      <button type="button" class="primary" onClick=${() => setAsked({ what: "new" })}>${say("new_account")}</button></div>
    <${Notice} kind="bad">${wrong || trouble}<//>
    ${list && html`<${Table} caption=${say("accounts")} heads=${[say("name"), say("organisation"), say("roles"), say("standing"), say("last_in"), ""]} empty=${say("no_accounts")}
      rows=${list.map((of) => [html`<b>${of.name}</b><br /><span class="quiet">${of.login}</span>`, of.organisation_name && of.organisation_name !== of.organisation ? of.organisation_name : nameOf(of.organisation),
        of.roles.map((role) => say(role)).join("、"), html`<${Standing} of=${of} />`, dayTime(of.signed_in_at), actions(of)])} />`}
    ${asked?.what === "new" && html`<${NewAccount} organisations=${organisations} onDone=${ask} onClose=${() => setAsked(null)} />`}
    ${asked?.of && html`<${Change} what=${asked.what} of=${asked.of} onDone=${ask} onClose=${() => setAsked(null)} />`}`;
}
