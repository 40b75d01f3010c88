<?php
// Reads PHP files and php.ini for the tests: one JSON request a line, one JSON answer a line. A request is
// {"reader": "php" or "php.ini", "file": TEXT}; the answer is {"value": what the file holds} or {"error": why not}.

function plain(mixed $value): mixed
{
    if (is_int($value) || is_float($value)) {
        return ['number' => var_export($value, true)];
    }
    return is_array($value) ? (object) array_map('plain', $value) : $value;
}

// run executes a file in a scope of its own. A constant that an earlier file made cannot be made again, and so the
// tests give each file names of its own.
function run(string $code): mixed
{
    $known = get_defined_constants(true)['user'] ?? [];
    ob_start();
    $read = (static function (string $code): array {
        $result = eval('?>' . $code);
        unset($code);
        return [$result, get_defined_vars()];
    })($code);
    ob_end_clean();
    [$result, $variables] = $read;
    unset($variables['result']);
    return [
        'return' => plain($result === 1 ? null : $result),
        'variables' => plain($variables),
        'constants' => plain(array_diff_key(get_defined_constants(true)['user'] ?? [], $known)),
    ];
}

set_error_handler(static function (int $level, string $message): never {
    throw new ErrorException($message);
});
while (($line = fgets(STDIN)) !== false) {
    $request = json_decode($line, true, 512, JSON_THROW_ON_ERROR);
    try {
        if ($request['reader'] === 'php') {
            $value = run($request['file']);
        } else {
            $value = parse_ini_string($request['file'], true, INI_SCANNER_NORMAL);
        }
        echo json_encode(['value' => $value], JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION), "\n";
    } catch (Throwable $error) {
        echo json_encode(['error' => $error->getMessage()]), "\n";
    }
}
