#!/bin/sh
# Lets the browser in that asks to be paired. Part of the image, as /opt/openclaw-pair.sh; the terminal is the customer's.
set -eu
echo "Open this address in your browser, and keep the window open:"
echo "  https://${ADDRESS:-YOUR-ADDRESS}/#token=$(oneclick-agent secrets show gateway_token)"
tries=60
while [ "$tries" -gt 0 ]; do
	request=$(runuser -u openclaw -- openclaw devices list --json | jq -r '.pending[0].requestId // empty')
	if [ -n "$request" ]; then
		printf 'A browser asks to be let in (%s). Is it yours? [y/n] ' "$request"
		read -r answer
		[ "$answer" = y ] || exit 1
		exec runuser -u openclaw -- openclaw devices approve "$request"
	fi
	tries=$((tries - 1))
	sleep 5
done
echo "No browser asked. Do it later with: /opt/openclaw-pair.sh"
exit 1
