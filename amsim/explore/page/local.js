// The view on the page of `amsim explore`: questions go to the server that sent it.
import { COMPILING, mount } from "./explore.js";

const root = document.getElementById("explore");
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// The token comes in the fragment, which is not sent, and the browser keeps it for this address. Links
// to a state hold none: with the token of a later run of the server they still lead there.
const KEY = "amsim-token";
const fragment = () => new URLSearchParams(location.hash.slice(1));

function takeToken() {
  const given = fragment();
  if (!given.has("token")) return;
  localStorage.setItem(KEY, given.get("token"));
  given.delete("token");
  history.replaceState(null, "", `${location.pathname}#${given}`);
}

async function ask(path, question) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "X-Amsim-Token": localStorage.getItem(KEY) ?? "" },
      body: JSON.stringify(question),
    });
  } catch {
    throw new Error("amsim explore does not answer; is it still running?");
  }
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

async function answer(question, say) {
  for (;;) {
    const found = await ask("/recall", question);
    if (!found.warming) return found;
    say(COMPILING);
    await wait(400);
  }
}

const link = (state) => `${location.origin}/#${new URLSearchParams({ state })}`;

let view = null;
addEventListener("hashchange", () => {
  if (view === null || fragment().has("token")) location.reload();
  else view.open(fragment().get("state"));
});
// Another page of this browser brought the token of a later run.
addEventListener("storage", ({ key }) => {
  if (view === null && key === KEY) location.reload();
});

takeToken();
try {
  const described = await ask("/memories", {});
  view = mount(root, { described, answer, link, state: fragment().get("state") });
} catch (error) {
  root.textContent = `${error.message} Open the address that amsim explore printed.`;
  root.setAttribute("role", "alert");
}
