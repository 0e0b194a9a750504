// The keyboard's way through the picture: one stop for the Tab key, arrows from node to node.

const ARROWS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

// The nearest node in a direction: what lies far to the side counts double.
function neighbour(svg, from, [dx, dy]) {
  const shift = shiftOf(svg), here = placeOf(from, shift);
  let best = null, least = Infinity;
  for (const group of svg.querySelectorAll("g.node[tabindex], g.cluster[tabindex]")) {
    if (group === from) continue;
    const place = placeOf(group, shift), x = place.x - here.x, y = place.y - here.y;
    const along = x * dx + y * dy, aside = Math.abs(x * dy) + Math.abs(y * dx);
    if (along < 4) continue;
    const distance = along + 2 * aside + (group.classList.contains("cluster") ? 60 : 0);
    if (distance < least) [best, least] = [group, distance];
  }
  return best;
}

// The edges that leave a node, and after them those that enter it.
function edgesOf(svg, id, picture) {
  const found = { out: [], in: [] };
  for (const group of svg.querySelectorAll("g.edge[tabindex]")) {
    const edge = picture.edges?.[group.dataset.id];
    const [from, to] = edge ? [edge.from, edge.to] : ["start", `step:${group.dataset.id.slice(6)}`];
    if (from === id) found.out.push(group);
    else if (to === id) found.in.push(group);
  }
  return [...found.out, ...found.in];
}
