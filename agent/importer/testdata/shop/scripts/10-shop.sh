#!/bin/sh
apt-get -y install apache2
