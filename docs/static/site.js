// A fold that opens may hold what is wider than the page: the keyboard has to reach it, too.
// The theme sees to all else when the page loads or changes its width.
document.addEventListener('toggle', event => {
  for (const box of event.target.querySelectorAll('pre, .pst-scrollable-table-container'))
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0
}, true)
