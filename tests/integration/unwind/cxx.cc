// SPDX-License-Identifier: MIT
/*
 * What C++ does to stacks: exceptions caught at every depth, thrown on and thrown anew,
 * destructors that allocate while one is on its way, and the library's own calls back.
 */
#include <algorithm>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <regex>
#include <stdexcept>
#include <string>
#include <vector>

#include "known.h"

namespace
{

struct Allocates {
    std::string text;
    explicit Allocates(int n) : text(static_cast<size_t>(n % 50 + 20), 'x') {}
    ~Allocates()
    {
        std::string copy = text;
        grab();
    }
};

} // namespace

extern "C" {

KEEP void throw_deep(int depth, int from)
{
    Allocates local(depth);
    if (depth == 0) {
        here("throw_deep");
        throw std::runtime_error("thrown from " + std::to_string(from));
    }
    throw_deep(depth - 1, from);
    stay();
}

KEEP void rethrow(int depth)
{
    try {
        throw_deep(depth, depth);
    } catch (const std::runtime_error &) {
        here(""); // a part of rethrow() with no name of its own
        throw;
    }
}

KEEP void throw_anew(int depth)
{
    try {
        rethrow(depth);
    } catch (const std::exception &e) {
        here("");
        std::throw_with_nested(std::logic_error(std::string("anew: ") + e.what()));
    }
}

KEEP void catch_outside(int depth)
{
    try {
        throw_anew(depth);
    } catch (const std::logic_error &) {
        here("");
    }
    here("catch_outside run_exceptions main");
    stay();
}

void run_exceptions(void)
{
    for (int i = 0; i < 400; i++) {
        catch_outside(i % 40);
        grab();
    }
}

KEEP void in_function(int depth, const std::function<void(int)> &next)
{
    std::vector<int> room(static_cast<size_t>(depth) + 3);
    here("in_function");
    next(depth);
    stay();
}
}

void run_library(void)
{
    std::function<void(int)> go;
    go = [&](int depth) {
        if (depth > 0) {
            auto copy = go;
            in_function(depth - 1, [copy, &go](int d) { (d % 2 ? copy : go)(d); });
        }
    };
    for (int i = 0; i < 40; i++) {
        go(i % 12);
    }
    std::string text;
    for (int i = 0; i < 40; i++) {
        text += "key" + std::to_string(i) + "=value" + std::to_string(i * i) + ";";
    }
    std::regex pair("([a-z]+[0-9]+)=([a-z]+)([0-9]+);", std::regex::ECMAScript);
    std::map<std::string, std::shared_ptr<std::string>> found;
    for (std::sregex_iterator at(text.begin(), text.end(), pair), end; at != end; ++at) {
        found[(*at)[1]] = std::make_shared<std::string>((*at)[3]);
    }
    need(found.size() == 40, "matches");
    std::vector<std::string> words;
    for (const auto &one : found) {
        words.push_back(*one.second + std::string(40, 'w'));
    }
    std::sort(words.begin(), words.end(), [](std::string a, std::string b) {
        here("");
        return a.substr(1) + "long enough not to be kept inside" < b.substr(1);
    });
    std::vector<std::future<size_t>> futures;
    for (int i = 0; i < 8; i++) {
        futures.push_back(std::async(std::launch::async, [&words, i] {
            std::map<std::string, int> counts;
            for (const auto &w : words) {
                counts[w + std::to_string(i)]++;
            }
            return counts.size();
        }));
    }
    for (auto &one : futures) {
        need(one.get() == 40, "words of a thread");
    }
}
