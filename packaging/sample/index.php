<?php
// Says whether the database that DATABASE_URL names answers.
$url = getenv('DATABASE_URL');
$part = parse_url($url ?: '');
if (!$part) {
    http_response_code(503);
    exit("no DATABASE_URL\n");
}
try {
    if ($part['scheme'] === 'postgresql') {
        $version = 'PostgreSQL ' . pg_version(pg_connect($url))['server'];
    } else {
        $connection = mysqli_init();
        $managed = str_contains($part['query'] ?? '', 'ssl-mode=');
        $connection->real_connect($part['host'], rawurldecode($part['user']), rawurldecode($part['pass']), ltrim($part['path'], '/'),
            $part['port'], null, $managed ? MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_DONT_VERIFY_SERVER_CERT : 0);
        $version = 'MySQL ' . $connection->server_info;
    }
    echo "connected to $version\n";
} catch (Throwable $failure) {
    http_response_code(503);
    echo "no connection\n";
}
