<?php
// The first page of a new site: says whether the database answers.
$url = parse_url(getenv('DATABASE_URL') ?: '');
mysqli_report(MYSQLI_REPORT_OFF);
$connection = mysqli_init();
$managed = str_contains($url['query'] ?? '', 'ssl-mode=');
$connected = $url && $connection->real_connect($url['host'], rawurldecode($url['user']), rawurldecode($url['pass']),
    ltrim($url['path'], '/'), $url['port'], null, $managed ? MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_DONT_VERIFY_SERVER_CERT : 0);
?>
<!doctype html>
<title>LAMP</title>
<p>PHP works. The database <?= $connected ? 'answers' : 'does not answer' ?>.
