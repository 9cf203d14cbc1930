// SPDX-License-Identifier: MIT
// Real work for node: objects, buffers, compression and hashing in its thread pool, files.
'use strict';
const crypto = require('crypto');
const fs = require('fs').promises;
const zlib = require('zlib');
const { promisify } = require('util');

const gzip = promisify(zlib.gzip);
const gunzip = promisify(zlib.gunzip);

function table(n) {
    const rows = new Map();
    for (let i = 0; i < n; i++) {
        rows.set(`row ${i}`, { i, square: i * i, tags: ['a', 'b', String(i)] });
    }
    return rows;
}

async function main() {
    const text = JSON.stringify([...table(20000).values()]);
    const pieces = [];
    for (let at = 0; at < text.length; at += 100000) {
        pieces.push(Buffer.from(text.slice(at, at + 100000)));
    }
    const packed = await Promise.all(pieces.map((piece) => gzip(piece)));
    await Promise.all(packed.map((piece, i) => fs.writeFile(`piece${i}.gz`, piece)));
    const read = await Promise.all(packed.map((_, i) => fs.readFile(`piece${i}.gz`)));
    const back = Buffer.concat(await Promise.all(read.map((piece) => gunzip(piece))));
    const key = crypto.scryptSync('secret', 'salt', 32, { N: 1024 });
    console.log(back.toString() === text, pieces.length, back.length);
    console.log(crypto.createHmac('sha256', key).update(back).digest('hex'));
    process.exitCode = 5;
}

main();
