<?php
// Says whether the database that DATABASE_URL names answers.
$url = getenv('DATABASE_URL');
if ($url === false) {
    echo "no managed database\n";
    exit;
}
$connection = pg_connect($url);
if ($connection === false) {
    http_response_code(503);
    echo "no connection\n";
    exit;
}
echo 'connected to PostgreSQL ' . pg_version($connection)['server'] . "\n";
