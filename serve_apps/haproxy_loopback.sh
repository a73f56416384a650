#!/bin/sh
# HAProxy as Ray Serve starts it, except that its statistics and metrics listen on loopback alone: Serve writes
# them for all interfaces, without a key, and has no setting for it. HAPROXY names the program itself.
for argument; do
    if [ "$previous" = -f ]; then
        sed -i -e '/^frontend prometheus/,/mode/ s/bind :/bind 127.0.0.1:/' \
            -e '/^listen stats/,/enable/ s/bind \*:/bind 127.0.0.1:/' "$argument"
    fi
    previous=$argument
done
exec "$HAPROXY" "$@"
