'use strict';
/* Says which host a cell of a heat map is: under the pointer, or by the arrow keys. Kept: hosts, and by map and by when
   the per cent of the tightest limit, one byte each, in base 64. */
(function () {
  var kept = JSON.parse(document.getElementById('kept').textContent), hosts = kept.hosts;
  function bytes(t) { return Uint8Array.from(atob(t), function (c) { return c.charCodeAt(0); }); }
  function share(p) { return p === 255 ? '255 % or more' : p + ' %'; }
  document.querySelectorAll('.maps[data-map]').forEach(function (group) {
    var maps = kept.maps[group.dataset.map].map(bytes), says = document.getElementById('says-' + group.dataset.map);
    var pictures = group.querySelectorAll('svg'), columns = +group.dataset.columns, at = -1;
    function show(i) {
      if (i < 0 || i >= hosts.length || i === at) { return; }
      at = i;
      says.textContent = hosts[i] + ': ' + maps.map(function (m) { return share(m[i]); }).join(' before, ') +
        (maps.length > 1 ? ' after' : '');
      pictures.forEach(function (svg) {
        var c = svg.querySelector('.cursor');
        c.setAttribute('x', i % columns * 10 - .5); c.setAttribute('y', Math.floor(i / columns) * 10 - .5);
        c.style.visibility = 'visible';
      });
    }
    pictures.forEach(function (svg) {
      svg.addEventListener('pointermove', function (e) {
        var box = svg.getBoundingClientRect(), k = svg.viewBox.baseVal.width / box.width;
        var x = Math.floor((e.clientX - box.left) * k / 10), y = Math.floor((e.clientY - box.top) * k / 10);
        if (x >= 0 && x < columns) { show(y * columns + x); }
      });
    });
    group.addEventListener('keydown', function (e) {
      var step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[e.key];
      if (e.key === 'Home') { show(0); } else if (e.key === 'End') { show(hosts.length - 1); } else if (step) {
        show(at < 0 ? 0 : at + step);
      } else { return; }
      e.preventDefault();
    });
  });
  addEventListener('beforeprint', function () {
    document.querySelectorAll('details').forEach(function (d) { d.open = true; });
  });
})();
