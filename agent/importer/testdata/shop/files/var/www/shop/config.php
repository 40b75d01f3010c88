<?php
define('DB_USER', '@@USER@@');
define('DB_PASSWORD', '@@PASSWORD@@');
define('KEY', 'change me');
