# Shows root the first boot at work, with a key to the shell; built-ins only once it is finished. It must be harmless in
# every shell and on every kind of login.
if [ ! -e /run/oneclick/finished ] && [ -e /etc/oneclick/app.yaml ] && [ -O /root ] && [ -t 0 ] && [ -t 1 ]; then
	case $- in
	*i*) [ -x /usr/bin/oneclick-agent ] && /usr/bin/oneclick-agent first-login --watch || : ;;
	esac
fi
