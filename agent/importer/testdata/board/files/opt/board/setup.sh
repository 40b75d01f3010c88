#!/bin/bash
echo "Welcome to Board"
while true; do
	read -p "Title: " title
	while [ -z "$email" ]; do
		read -p "Your email address: " email
	done
	read -s -p "Admin password: " password
	read -p "Is this correct? [Y/n] " answer
	if [ "$answer" != n ]; then
		break
	fi
done
/opt/board/board configure "$title" "$email"
echo "$password" | /opt/board/board password
systemctl restart board
cp /etc/skel/.bashrc /root/.bashrc
