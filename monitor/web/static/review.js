// The arrow keys lead to the sample before and after, where nothing has the focus that has a use for them.
"use strict";
const LEADS = { ArrowLeft: "before", ArrowRight: "after" };

document.addEventListener("keydown", (event) => {
  const used = event.target.closest("input, select, textarea, pre");
  if (used || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = document.getElementById(LEADS[event.key] || "none");
  if (link) link.click();
});
