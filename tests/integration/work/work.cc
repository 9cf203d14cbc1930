// SPDX-License-Identifier: MIT
// For the C++ compiler to chew on: templates of the standard library, and some of our
// own.
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

template <unsigned N> struct fibonacci {
    static constexpr unsigned long value =
        fibonacci<N - 1>::value + fibonacci<N - 2>::value;
};
template <> struct fibonacci<0> {
    static constexpr unsigned long value = 0;
};
template <> struct fibonacci<1> {
    static constexpr unsigned long value = 1;
};

struct leaf {
    std::string name;
};
struct branch {
    std::vector<std::shared_ptr<std::variant<leaf, branch>>> children;
};
using node = std::variant<leaf, branch>;

static std::size_t count(const node &n)
{
    return std::visit(
        [](const auto &one) -> std::size_t {
            if constexpr (std::is_same_v<std::decay_t<decltype(one)>, leaf>) {
                return one.name.size();
            } else {
                std::size_t sum = 0;
                for (const auto &child : one.children) {
                    sum += count(*child);
                }
                return sum;
            }
        },
        n);
}

int main()
{
    std::map<std::string, std::unordered_map<int, std::vector<double>>> table;
    for (int i = 0; i < 1000; i++) {
        table[std::to_string(i % 37)][i % 11].push_back(i * 0.5);
    }
    branch root;
    for (const auto &[key, row] : table) {
        root.children.push_back(std::make_shared<node>(leaf{key}));
        for (auto [column, cells] : row) {
            std::sort(cells.begin(), cells.end(),
                      [](double a, double b) { return a > b; });
            std::cout << key << ' ' << column << ' ' << cells.front() << '\n';
        }
    }
    std::cout << count(root) << ' ' << fibonacci<80>::value << '\n';
}
