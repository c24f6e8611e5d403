// The view on the page of `amsim explore`: questions go to the server that sent it.
import { COMPILING, mount } from "./explore.js";

const root = document.getElementById("explore");
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// The token stands in the fragment, which is not sent; the tab keeps it when the page is loaded anew.
const fragment = new URLSearchParams(location.hash.slice(1));
const token = fragment.get("token") || sessionStorage.getItem("amsim-token") || "";
sessionStorage.setItem("amsim-token", token);

async function ask(path, question) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "X-Amsim-Token": token },
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

function link(state) {
  return `${location.origin}/#${new URLSearchParams({ token, state })}`;
}

try {
  const described = await ask("/memories", {});
  const view = mount(root, { described, answer, link, state: fragment.get("state") });
  addEventListener("hashchange", () => {
    view.open(new URLSearchParams(location.hash.slice(1)).get("state"));
  });
} catch (error) {
  root.textContent = `${error.message} Open the address that amsim explore printed.`;
  root.setAttribute("role", "alert");
}
