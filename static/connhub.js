// What the pages gain from JavaScript. Without it every link, form and menu still works.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const on = (type, act, capture = false) => document.addEventListener(type, act, capture);
  const dialog = $("#dialog");
  document.documentElement.classList.add("js");

  // Toasts. With the dialog open they go into it, for what is behind it can't be reached.
  const toast = (text, tone = "ok") => {
    const host = dialog?.open ? $(".pop", dialog) : $("#toasts");
    if (!host) return;
    const box = document.createElement("div");
    box.className = `banner toast ${tone}`;
    box.setAttribute("role", tone === "bad" ? "alert" : "status");
    box.textContent = text;
    const shut = document.createElement("button");
    shut.type = "button";
    shut.className = "iconbtn";
    shut.setAttribute("aria-label", "Dismiss");
    shut.textContent = "×";
    shut.onclick = () => box.remove();
    box.append(shut);
    host.prepend(box);
    if (tone !== "bad") setTimeout(() => box.remove(), 8000);
  };
  on("toast", ({ detail }) => toast(detail.text, detail.tone));

  // The dialog: opens when htmx puts something into it, and is emptied when it closes.
  let opener = null;
  const showDialog = () => {
    dialog.setAttribute("aria-label", $("h2:not(:empty)", dialog)?.textContent.trim() ?? "");
    if (!dialog.open) {
      dialog.returnValue = "";
      dialog.showModal();
    }
    ($("[aria-invalid=true]", dialog) ?? $("[autofocus]", dialog))?.focus();
  };
  const focusOpener = () => {
    if (!opener) return;
    const again = opener.isConnected ? opener : $(`[hx-get="${CSS.escape(opener.getAttribute("hx-get"))}"]`);
    const menu = again?.closest("details.menu");
    (menu ? $("summary", menu) : again ?? $("#main"))?.focus();
  };
  dialog?.addEventListener("close", () => {
    dialog.replaceChildren();
    focusOpener();
    if (dialog.returnValue !== "changed") opener = null;
  });
  on("htmx:afterSwap", ({ detail }) => detail.target === dialog && showDialog());
  on("htmx:afterSwap", ({ detail }) => detail.target.id === "main" && $("#main .errors")?.focus());
  on("htmx:afterSwap", ({ detail }) => detail.target.id === "try" && $("#try [tabindex='-1']")?.focus());
  on("htmx:afterSettle", () => {
    if (!opener || dialog.open || document.activeElement !== document.body) return;
    focusOpener(); // what it stood in was fetched anew
    opener = null;
  });
  on("changed", ({ detail }) => {
    dialog?.close("changed");
    if (!$(`[hx-trigger*="${CSS.escape(detail.what)}-changed"]`)) location.reload();
  });

  // Answers that are no fragment: a whole page (signed out meanwhile) is gone to, an error is said.
  const said = {
    0: "ConnHub can't be reached. Check your network and try again.",
    403: "You can't do that. Ask one of the admins, or reload the page.",
    404: "It is gone, or no longer shared with you. Reload the page.",
    429: "Too many tries. Wait a minute and try again.",
    503: "ConnHub can't answer right now. Try again in a minute.",
  };
  const failed = ({ detail }) =>
    toast(said[detail.xhr?.status ?? 0] ?? "Something went wrong. Nothing was changed; try again.", "bad");
  on("htmx:responseError", failed);
  on("htmx:sendError", failed);
  on("htmx:beforeSwap", ({ detail }) => {
    if (detail.xhr.getResponseHeader("HX-Retarget")) {
      detail.shouldSwap = true;
      detail.isError = false;
    } else if (detail.shouldSwap && /^\s*<!doctype/i.test(detail.serverResponse)) {
      detail.shouldSwap = false;
      location.assign(detail.xhr.responseURL);
    }
  });

  // Busy after 300 ms.
  const waits = new WeakMap();
  on("htmx:beforeRequest", ({ detail: { elt, target } }) => {
    if (target === dialog && !dialog.open) opener = elt;
    waits.set(elt, setTimeout(() => elt.setAttribute("aria-busy", "true"), 300));
  });
  on("htmx:afterRequest", ({ detail: { elt } }) => {
    clearTimeout(waits.get(elt));
    elt.removeAttribute("aria-busy");
  });

  // Clicks.
  const copy = async (button) => {
    const source = $(button.dataset.copy);
    const label = button.textContent;
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = label), 2000);
  };
  const closeMenus = (but) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (menu !== but) menu.open = false;
  };
  on("click", (event) => {
    const { target } = event;
    if ((event.ctrlKey || event.metaKey || event.shiftKey) && target.closest("a[hx-get]")) event.stopPropagation();
  }, true);
  on("click", ({ target }) => {
    closeMenus(target.closest(".menu .panel a") ? null : target.closest("details.menu"));
    if (target.closest("[data-close]")) dialog?.close();
    const button = target.closest("[data-copy]");
    if (button) copy(button).catch(() => toast("The browser refused to copy. Select the text and copy it.", "bad"));
  });

  // One tick for the whole page.
  on("change", ({ target }) => {
    if (!target.matches("[data-select-all]")) return;
    for (const box of target.closest("table").querySelectorAll("td.pick input")) box.checked = target.checked;
  });

  // Keys: "/" searches, "?" lists the keys, the arrows go from row to row; in a menu the arrows move and Escape closes.
  const step = { ArrowDown: 1, ArrowUp: -1 };
  on("keydown", (event) => {
    const { key, target } = event;
    const menu = target.closest?.("details.menu");
    if (key === "/" && !event.ctrlKey && !event.metaKey && !target.closest("input, textarea, select, dialog")) {
      event.preventDefault();
      $("#search")?.focus();
    } else if (key === "?" && !target.closest("input, textarea, select, dialog")) {
      $('[aria-keyshortcuts="?"]')?.click();
    } else if (!menu && key in step && !target.closest("input, textarea, select, dialog") && $("#connections tbody")) {
      event.preventDefault();
      const names = [...document.querySelectorAll("#connections td.name a")];
      const row = names.indexOf($("td.name a", target.closest("#connections tbody tr") ?? document.createElement("tr")));
      names.at(Math.min(Math.max(row + step[key], 0), names.length - 1))?.focus();
    } else if (menu?.open && key === "Escape") {
      menu.open = false;
      $("summary", menu).focus();
    } else if (menu && key in step && !target.closest("input, select")) {
      event.preventDefault();
      menu.open = true;
      const items = [...menu.querySelectorAll(".panel :is(a, button)")];
      const here = items.indexOf(target);
      items.at(here < 0 && key === "ArrowUp" ? -1 : (here + step[key]) % items.length)?.focus();
    }
  });

  // Forms: filters submit themselves; a link name is suggested until it is typed by hand.
  let pause;
  const submitSoon = (form, delay) => {
    clearTimeout(pause);
    pause = setTimeout(() => form.requestSubmit(), delay);
  };
  const linkName = (text) =>
    text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/[^a-z0-9]+/g, "_")
      .replace(/^[^a-z]+/, "").slice(0, 50).replace(/_+$/, "");
  const suggest = (source) => {
    const name = $(`[data-slug-from="#${CSS.escape(source.id)}"]`, source.form ?? document);
    if (name && name.dataset.touched === undefined && !name.defaultValue) name.value = linkName(source.value);
  };
  on("htmx:load", ({ target }) => {
    for (const name of target.querySelectorAll("[data-slug-from]")) suggest($(name.dataset.slugFrom, name.form));
  });
  on("input", ({ target }) => {
    target.dataset.touched = "";
    const filters = target.closest("form[data-autosubmit]");
    if (filters) submitSoon(filters, target.matches("[type=search], [type=text]") ? 300 : 0);
    if (target.id) suggest(target);
  });
})();
