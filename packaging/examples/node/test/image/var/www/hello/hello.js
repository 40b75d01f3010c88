require('http').createServer((_, answer) => answer.end('hello\n')).listen(3000, '127.0.0.1')
