// admin_page.js - accounts to manage; organisations, doctors and agreements to look up.
import { html } from "htm/preact";
import "../worklist/worklist_words.js";
import "./admin_words.js";
import "./admin.css";
import { Notice } from "../../shared/components.js";
import { say } from "../../shared/words.js";
import { Accounts } from "./accounts.js";
import { Agreements, Doctors, Organisations, useList } from "./master.js";

export default function Admin() {
  const { list, wrong } = useList("organisations");
  const organisations = list || [];
  const nameOf = (code) => organisations.find((o) => o.code === code)?.name || code || "";
  return html`<main id="content" tabindex="-1" class="admin">
    <h1>${say("admin")}</h1>
    <${Notice} kind="bad">${wrong}<//>
    <${Accounts} organisations=${organisations} nameOf=${nameOf} />
    <h2>${say("organisations")}</h2><p class="quiet">${say("read_only")}</p>
    ${list && html`<${Organisations} list=${organisations} />`}
    <h2>${say("doctors")}</h2><${Doctors} nameOf=${nameOf} />
    <h2>${say("agreements")}</h2><${Agreements} nameOf=${nameOf} />
  </main>`;
}
