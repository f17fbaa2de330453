// What a reader of the page could not read, as a list of sentences; evaluated in the page by tests/browsing.py.
// Sizes are CSS pixels. What is only there for screen readers (.visually-hidden) is left out.
(() => {
  const faults = [];
  const width = document.documentElement.clientWidth;
  const SLACK = 1; // of rounding to device pixels
  const SMALLEST_TEXT = 11;
  const LONGEST_WORD = 12; // characters that stand on one line at any width
  const ENDPOINT = /^\d+(\.\d+){3}:\d+$/; // an address and port that is broken is read as another one
  const name = (element) => {
    const own = element.tagName.toLowerCase() + (element.id ? "#" + element.id : "") + (element.className ? "." + [...element.classList].join(".") : "");
    return `${own} ${JSON.stringify(element.textContent.trim().replace(/\s+/g, " ").slice(0, 50))}`;
  };
  const scrolls = (element) => /auto|scroll/.test(getComputedStyle(element).overflowX);
  const within = (element, test) => { for (let each = element; each; each = each.parentElement) if (test(each)) return each; return null; };

  if (document.documentElement.scrollWidth > width) faults.push(`the page is ${document.documentElement.scrollWidth} wide`);

  const pieces = []; // one for each line of each text
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.data.trim() || /^(script|style)$/i.test(parent.tagName) || within(parent, (each) => each.classList.contains("visually-hidden"))) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const rectangles = [...range.getClientRects()].filter((each) => each.width > 0 && each.height > 0);
    const style = getComputedStyle(parent);
    if (!rectangles.length || style.visibility === "hidden") {
      faults.push(`not shown: ${name(parent)}`);
      continue;
    }
    if (parseFloat(style.fontSize) < SMALLEST_TEXT) faults.push(`text of ${style.fontSize}: ${name(parent)}`);
    const block = within(parent, (each) => !getComputedStyle(each).display.startsWith("inline") || getComputedStyle(each).display === "inline-block");
    const box = block.getBoundingClientRect();
    for (const each of rectangles) {
      if (each.left < box.left - SLACK || each.right > box.right + SLACK || each.top < box.top - 6 || each.bottom > box.bottom + 6)
        faults.push(`sticks out of its ${block.tagName.toLowerCase()}: ${name(parent)}`);
      const middle = each.height / 4; // letters stand in the middle of the line's box; boxes of lines touch
      pieces.push({ parent, left: each.left, right: each.right, top: each.top + middle, bottom: each.bottom - middle });
    }
    for (const word of node.data.matchAll(/\S+/g)) {
      if (!ENDPOINT.test(word[0]) && (word[0].length > LONGEST_WORD || /[\/-]/.test(word[0]))) continue;
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const tops = new Set([...range.getClientRects()].filter((each) => each.width > 0).map((each) => Math.round(each.top)));
      if (tops.size > 1 && word[0].length > 1 && !/[\p{Extended_Pictographic}\p{M}]/u.test(word[0])) faults.push(`${JSON.stringify(word[0])} is broken in ${name(parent)}`);
    }
  }

  pieces.sort((one, other) => one.top - other.top);
  pieces.forEach((one, index) => {
    for (let next = index + 1; next < pieces.length && pieces[next].top < one.bottom; next++) {
      const other = pieces[next];
      if (Math.min(one.right, other.right) - Math.max(one.left, other.left) > SLACK && one.parent !== other.parent)
        faults.push(`${name(one.parent)} lies over ${name(other.parent)}`);
    }
  });

  for (const element of document.body.querySelectorAll("*")) {
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    const hidden = within(element, (each) => each.classList.contains("visually-hidden"));
    if (hidden || style.display === "none") continue;
    if (box.right > width + SLACK && !within(element.parentElement, scrolls)) faults.push(`reaches to ${Math.round(box.right)}: ${name(element)}`);
    if (/hidden|clip/.test(style.overflow) && element.scrollWidth > element.clientWidth + SLACK) faults.push(`clipped: ${name(element)}`);
    if (scrolls(element) && element.scrollWidth > element.clientWidth + SLACK && element.tabIndex < 0) faults.push(`scrolls, but not by keyboard: ${name(element)}`);
  }

  for (const image of document.images) {
    const shown = image.getBoundingClientRect();
    const what = JSON.stringify(image.alt.slice(0, 40));
    if (!image.complete || !image.naturalWidth) { faults.push(`no picture: ${what}`); continue; }
    if (!image.alt.trim()) faults.push(`a picture without alt text at ${Math.round(shown.top)}`);
    const ratio = (shown.width / shown.height) / (image.naturalWidth / image.naturalHeight);
    if (Math.abs(ratio - 1) > 0.02) faults.push(`distorted by ${ratio.toFixed(2)}: ${what}`);
    if (image.naturalWidth < shown.width - SLACK) faults.push(`blown up from ${image.naturalWidth} to ${Math.round(shown.width)}: ${what}`);
  }
  return [...new Set(faults)];
})()
