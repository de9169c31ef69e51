#!/usr/bin/env python3
"""The checks themselves: each must find what it is there to find, and nothing in sound text."""

import re
import unittest

import banned
import layers
import sizes
from common import blank_out

LIBRARIES = {"base": ([], []), "blob": (["base"], []), "content": (["base", "blob"], ["format"]),
             "format": (["base"], []), "cli": (["base", "content"], [])}


class Layers(unittest.TestCase):
    def problem(self, name, target):
        return layers.check_include(name, 1, target, LIBRARIES)

    def test_permits_declared_folders(self):
        self.assertIsNone(self.problem("src/content/a.cc", "blob/storage.h"))
        self.assertIsNone(self.problem("src/content/a.cc", "content/a.h"))
        self.assertIsNone(self.problem("src/content/a_test.cc", "format/f.h"))
        self.assertIsNone(self.problem("src/cli/main.cc", "content/a.h"))

    def test_refuses_the_rest(self):
        self.assertIn("may include", self.problem("src/blob/a.cc", "content/a.h"))
        self.assertIn("may include", self.problem("src/content/a.cc", "format/f.h"))
        self.assertIn("nothing includes cli", self.problem("src/content/a.cc", "cli/command.h"))
        self.assertIn("no declared library", self.problem("src/base/a.cc", "zstd.h"))
        self.assertIn("stores never", self.problem("src/blob/s3/a.cc", "blob/filesystem/b.h"))
        self.assertIn("internal header", self.problem("src/content/a.cc", "blob/pack_internal.h"))


class Sizes(unittest.TestCase):
    def lengths(self, text):
        return [(name, length) for _, name, length, _ in sizes.functions(sizes.strip_directives(blank_out(text)))]

    def test_measures_functions_and_methods(self):
        body = "  x();\n" * 80
        self.assertEqual(self.lengths(f"namespace a {{\nint f(int x) {{\n{body}}}\n}}\n"), [("f", 82)])
        self.assertEqual(self.lengths(f"class C : public B<int> {{\n  void m() const override {{\n{body}  }}\n}};\n"), [("m", 82)])
        self.assertEqual(self.lengths(f"C::C(int a) : a_(a), b_{{1}} {{\n{body}}}\n")[-1][1], 82)
        self.assertEqual(self.lengths(f"TEST(Unit, Does) {{\n{body}}}\n"), [("TEST", 82)])

    def test_tables_comments_and_strings_are_no_functions(self):
        rows = "  {1, 2},\n" * 80
        self.assertEqual(self.lengths(f"const T kTable[] = {{\n{rows}}};\n"), [])
        self.assertEqual(self.lengths("/* void f() {\n*/ const char* s = \"void g() {\"; // {\n"), [])
        self.assertEqual(self.lengths("const char* s = R\"x(void g() {\n)x\";\nvoid f() {}\n"), [("f", 1)])


class Banned(unittest.TestCase):
    def hits(self, line):
        return [why for pattern, why in banned.CODE if re.search(pattern, blank_out(line))]

    def test_finds_each(self):
        for line in ("auto f = std::async(run);", "t.detach();", "std::thread t(run);", "throw 1;", "system(\"x\");",
                     "std::this_thread::sleep_for(1s);", "usleep(5);", "  sleep(1);", "p->detach ( );"):
            self.assertEqual(len(self.hits(line)), 1, line)

    def test_lets_the_rest_pass(self):
        for line in ("std::thread::hardware_concurrency();", "// std::async is banned", "log(\"throw it away\");",
                     "clock.sleep(delay, stop);", "sleep_for(seconds(1), stop);", "std::jthread t(run);"):
            self.assertEqual(self.hits(line), [], line)

    def test_machine_paths_and_leftovers(self):
        self.assertTrue(banned.MACHINE_PATH.search("cp /wor" "k/main/x ."))
        self.assertFalse(banned.MACHINE_PATH.search("$HOME/wor" "k/x and net/wor" "k/x"))
        self.assertTrue(banned.LEFTOVER.search("// TO" "DO: later"))


if __name__ == "__main__":
    unittest.main()
