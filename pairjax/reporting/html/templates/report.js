// A click on a heading sorts its column: numbers from the highest down, texts from the first up;
// a second click turns it round. What has no value stays at the end.
for (const table of document.querySelectorAll('table')) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.firstElementChild.onclick = () => sortBy(table, headings, column);
  });
}

function sortBy(table, headings, column) {
  const rows = [...table.tBodies[0].rows];
  const valueOf = (row) => row.cells[column].dataset.value;
  const textOf = (row) => row.cells[column].textContent;
  const numeric = rows.some((row) => valueOf(row) !== undefined);
  const orders = numeric ? ['descending', 'ascending'] : ['ascending', 'descending'];
  const order = orders.find((one) => one !== headings[column].getAttribute('aria-sort'));
  const sign = order === 'ascending' ? 1 : -1;
  rows.sort((a, b) => {
    if (!numeric) return sign * textOf(a).localeCompare(textOf(b), 'en', { numeric: true });
    const [x, y] = [valueOf(a), valueOf(b)];
    if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
    return sign * (x - y);
  });
  table.tBodies[0].append(...rows);
  headings.forEach((heading) => heading.removeAttribute('aria-sort'));
  headings[column].setAttribute('aria-sort', order);
}
