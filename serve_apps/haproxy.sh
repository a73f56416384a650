#!/bin/sh
# HAProxy as Ray Serve starts it, except for what Serve has no setting for. HAPROXY names the program itself.
# - Its statistics and metrics listen on loopback alone: Serve writes them for all interfaces, without a key.
# - A request that got no answer because its gateway died is asked again elsewhere, unless it writes: an event without
#   an id of its own would be two.
# - What it has to answer itself is a 503 in the one shape of errors, with Retry-After; Serve makes it a bare 500.
here=$(dirname "$0")
for argument; do
    if [ "$previous" = -f ]; then
        sed -i -e '/^frontend prometheus/,/mode/ s/bind :/bind 127.0.0.1:/' \
            -e '/^listen stats/,/enable/ s/bind \*:/bind 127.0.0.1:/' \
            -e '/^frontend http_frontend/a\    http-request disable-l7-retry unless METH_GET or { path_beg /api/recommendations/ }' \
            -e "s#errorfile \(50[234]\) .*#errorfile \1 $here/unavailable.http#" "$argument"
    fi
    previous=$argument
done
exec "$HAPROXY" "$@"
