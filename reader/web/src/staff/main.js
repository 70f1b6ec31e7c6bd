// main.js - the staff page: who is signed in, the bar on top, and the page for the place we are at.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { html } from "htm/preact";
import { effect } from "@preact/signals";
import "../shared/shared_words.js";
import "./staff_words.js";
import { LanguageSwitch, Notice, sentence, ThemeSwitch, Work } from "../shared/components.js";
import { isDarkRoom } from "../shared/theme.js";
import { language, say } from "../shared/words.js";
import { Login } from "./login.js";
import { find, pages } from "./router.js";
import { go, hasRole, place, signOut, user, whoAmI } from "./session.js";

const mayOpen = (page) => page.load && hasRole(...page.roles);

function Bar() {
  const me = user.value;
  return html`<header class="bar">
    <a class="skip" href="#content" onClick=${(event) => { event.preventDefault(); document.getElementById("content").focus(); }}>${say("skip")}</a>
    <b class="brand">${say("radpost")}</b>
    <nav aria-label=${say("main_menu")}>${pages.filter((p) => p.to && mayOpen(p)).map((p) => html`<a href="#${p.to}"
      aria-current=${place.value.startsWith(p.to) ? "page" : undefined}>${say(p.word)}</a>`)}</nav>
    <span class="grow"></span>
    <span class="me"><a href="#/account">${me.name}</a> <span class="quiet">${me.roles.map((role) => say(role)).join(" · ")} · ${me.organisation_name || me.organisation}</span>
      ${me.is_demo && html` <span class="mark amber">${say("demo")}</span>`}</span>
    <${LanguageSwitch} /><${ThemeSwitch} />
    <${Work} class="plain" onClick=${signOut}>${say("sign_out")}<//>
  </header>`;
}

// The page for the place, once its code is here.
function Place() {
  const found = find(place.value);
  const [loaded, setLoaded] = useState(null);
  const [wrong, setWrong] = useState("");
  const page = found && mayOpen(found.page) ? found.page : null;
  useEffect(() => {
    let isOver = false;
    setWrong("");
    if (page) {
      page.load().then((module) => isOver || setLoaded({ page, View: module.default }), () => isOver || setWrong(say("reload")));
    }
    return () => (isOver = true);
  }, [page]);
  useEffect(() => {
    isDarkRoom.value = Boolean(page?.isDarkRoom);
    return () => (isDarkRoom.value = false);
  }, [page]);
  if (!page) return html`<main id="content" tabindex="-1"><h1>${say("no_page")}</h1></main>`;
  if (wrong) return html`<main id="content" tabindex="-1"><${Notice} kind="bad">${wrong}<//></main>`;
  if (loaded?.page !== page) return html`<main id="content" tabindex="-1" aria-busy="true"><p class="quiet">${say("loading")}</p></main>`;
  return html`<${loaded.View} key=${place.value} ...${found.parts} />`;
}

function Staff() {
  const [wrong, setWrong] = useState("");
  useEffect(() => {
    whoAmI().catch((error) => setWrong(sentence(error)));
  }, []);
  const me = user.value;
  useEffect(() => {
    const first = pages.find((p) => p.to && mayOpen(p));
    if (me && first && !find(place.value)) go(first.to);
  }, [me]);
  if (me === undefined) return html`<main id="content" aria-busy="true"></main>`;
  if (me === null) return html`<${Notice} kind="bad">${wrong}<//><${Login} />`;
  return html`<${Bar} /><${Place} />`;
}

effect(() => {
  document.title = `${say("staff_title")} · ${language.value === "en" ? "Radpost" : "影驿"}`;
});
render(html`<${Staff} />`, document.getElementById("page"));
