/* SPDX-License-Identifier: MIT */
#include "plain_name.h"

#include <string.h>

#include "suite.h"

static char *plain(const char *name) {
	static char space[1024];
	struct text out;
	text_fixed(&out, space, sizeof space);
	plain_name(&out, name);
	return space;
}

/* As g++ makes them, of functions and what they take. */
static const char *const names[][2] = {
	{"_Z5serveiPPc", "serve"},
	{"_ZL5serveiPPc", "serve"},
	{"_ZL5servev.cold", "serve.cold"},
	{"_Z4readRKSs.constprop.0.isra.0", "read.constprop.0.isra.0"},
	{"_ZN3net5serveEv", "net::serve"},
	{"_ZN3netL5serveEv", "net::serve"},
	{"_ZN3net4Conn4readEPvm", "net::Conn::read"},
	{"_ZNK3net4Conn4sizeEv", "net::Conn::size"},
	{"_ZN3net4ConnC1Ei", "net::Conn::Conn"},
	{"_ZN3net4ConnC2ERKS0_", "net::Conn::Conn"},
	{"_ZN3net4ConnD0Ev", "net::Conn::~Conn"},
	{"_ZN12_GLOBAL__N_15serveEv", "(anonymous namespace)::serve"},
	{"_ZN3net12_GLOBAL__N_14Conn4readEv", "net::(anonymous namespace)::Conn::read"},
	{"_ZNSt6thread4joinEv", "std::thread::join"},
	{"_Z4deepI1PEiPv", "deep<...>"},
	{"_ZN4deepI1PE3runEv", "deep<...>::run"},
	{"_ZN3BoxIiEC1Ei", "Box<...>::Box"},
	{"_ZN3BoxIiED2Ev", "Box<...>::~Box"},
	{"_ZN3BoxIiEC1IlEERKS_IT_E", "Box<...>::Box<...>"},
	{"_ZN3BoxIA4_KcLi3EJbPFvvEM1PiEE3getEv", "Box<...>::get"},
	{"_ZN3BoxIXadL_Z5servevEEE3getEv", "Box<...>::get"},
	{"_ZSt4moveIiEv", "std::move<...>"},
	{"_ZNSt6vectorIiSaIiEE9push_backEOi", "std::vector<...>::push_back"},
	{"_ZNSs6appendEPKc", "std::string::append"},
	{"_ZN3netplERKS_", "net::operator+"},
	{"_ZlsRSoRK4Conn", "operator<<"},
	{"_ZN4ConnclEv", "Conn::operator()"},
	{"_ZN4ConnnwEm", "Conn::operator new"},
	{"_ZNK4ConncvbEv", "Conn::operator bool"},
	{"_ZNK4Conncv4PeerEv", "Conn::operator Peer"},
	{"_Zli2_sd", "operator\"\" _s"},
	{"_ZN3net5valueB5cxx11Ev", "net::value[abi:cxx11]"},
	{"_Z5valueB5cxx11v", "value[abi:cxx11]"},
	{"_ZZ5servevENKUlvE_clEv", "serve::{lambda#1}::operator()"},
	{"_ZZ5servevENKUliE0_clEi.cold", "serve::{lambda#2}::operator().cold"},
	{"_ZZN3net5serveEiEN5Local3runEv", "net::serve::Local::run"},
	{"_ZNSt6thread11_State_implINS_8_InvokerISt5tupleIJZ4mainEUlvE_EEEEE6_M_runEv",
		"std::thread::_State_impl<...>::_M_run"},
};

START_TEST(what_can_be_read_is_plain) {
	ck_assert_str_eq(plain(names[_i][0]), names[_i][1]);
}
END_TEST

/* No name of C++, one that is more than a name, and one that is none. */
static const char *const kept[] = {
	"",
	"_",
	"_Z",
	"_ZN",
	"_ZNE",
	"_ZNEv",
	"_ZNS",
	"_ZNSt",
	"_ZNC1Ev",
	"_ZN3netC",
	"_ZN3netC1",
	"_ZN3netC1C1Ev",
	"_ZN3net",
	"_Z5serv",
	"_Z99999999999999999999999999serve",
	"_Z0v",
	"serve",
	"_start",
	"_Z4deepI",
	"_Z4deepI1P",
	"_Z4deepI1PJ",
	"_Z4deepIXsrT_E",
	"_Z4deepILi3",
	"_ZI1PE",
	"_ZNIiEE",
	"_ZNS_4deepEv",
	"_ZNT_4deepEv",
	"_Zzz",
	"_ZcvPv",
	"_Zcv",
	"_ZUlvE",
	"_ZTV4Conn",
	"_ZThn16_N4Conn4readEv",
	"_ZZ5servevENKUlvE",
	"_ZZ5servev",
};

START_TEST(what_is_more_keeps_the_linkers_name) {
	ck_assert_str_eq(plain(kept[_i]), kept[_i]);
}
END_TEST

START_TEST(what_is_too_long_keeps_the_linkers_name) {
	char name[600] = "_ZN";
	for (int i = 0; i < 40; i++) {
		strcat(name, "10abcdefghij");
		char ended[620] = "";
		strcat(strcat(ended, name), "Ev");
		const char *found = plain(ended);
		ck_assert_msg(i < 21 ? strlen(found) == (size_t)i * 12 + 10
				     : strcmp(found, ended) == 0,
			"%s", found);
	}
}
END_TEST

START_TEST(what_is_too_deep_keeps_the_linkers_name) {
	char name[600] = "_Z4deepI";
	for (int i = 0; i < 190; i++) {
		strcat(name, "1PI");
	}
	ck_assert_str_eq(plain(name), name);
}
END_TEST

START_TEST(a_name_controls_nothing) {
	ck_assert_str_eq(plain("_Z3a\nbv"), "a\\x0ab");
	ck_assert_str_eq(plain("_Z1av.\x1b"), "a.\\x1b");
	ck_assert_str_eq(plain("_ZX\n"), "_ZX\\x0a");
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("plain_name");
	TCase *all = tcase_create("all");
	tcase_add_loop_test(
		all, what_can_be_read_is_plain, 0, sizeof names / sizeof *names);
	tcase_add_loop_test(
		all, what_is_more_keeps_the_linkers_name, 0, sizeof kept / sizeof *kept);
	tcase_add_test(all, what_is_too_long_keeps_the_linkers_name);
	tcase_add_test(all, what_is_too_deep_keeps_the_linkers_name);
	tcase_add_test(all, a_name_controls_nothing);
	suite_add_tcase(suite, all);
	return suite;
}
