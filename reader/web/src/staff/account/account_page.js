// account_page.js - one's own account: who the server says I am, and another password.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { post } from "../../shared/api.js";
import { Field, Notice, sentence } from "../../shared/components.js";
import { say } from "../../shared/words.js";
import { user } from "../session.js";

function Password() {
  const [old, setOld] = useState("");
  const [next, setNext] = useState("");
  const [wrong, setWrong] = useState("");
  const submit = async (event) => {
    event.preventDefault();
    setWrong("");
    try {
      await post("password", { old, new: next });
      user.value = null; // every session has ended, this one too
    } catch (error) {
      setWrong(error.status === 403 ? say("wrong_old") : sentence(error));
    }
  };
  return html`<form onSubmit=${submit}>
    <h2>${say("change_password")}</h2>
    <${Notice} kind="bad">${wrong}<//>
    <${Field} label=${say("old_password")} name="old" kind="password" value=${old} onInput=${setOld} autocomplete="current-password" required />
    <${Field} label=${say("new_password")} name="new" kind="password" value=${next} onInput=${setNext} autocomplete="new-password" minlength="12" required />
    <button class="primary" type="submit">${say("change_password")}</button>
    <p class="quiet">${say("change_ends")}</p>
  </form>`;
}

export default function Account() {
  const me = user.value;
  return html`<main id="content" tabindex="-1"><div class="narrow">
    <h1>${me.name}</h1>
    <p>${me.login} · ${me.roles.map((role) => say(role)).join(" · ")}<br /><span class="quiet">${me.organisation_name || me.organisation}</span></p>
    ${me.is_demo ? html`<${Notice} kind="warn">${say("demo_password")}<//>` : html`<${Password} />`}
  </div></main>`;
}
